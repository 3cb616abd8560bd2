"""The HTTP pages of the site."""

from django.contrib.auth import authenticate, login
from django.http import HttpResponse
from django.urls import path


def hello(request):
    return HttpResponse("hello")


def log_in(request):
    user = authenticate(request, username="ada", password="secret")
    login(request, user)
    return HttpResponse(user.username)


urlpatterns = [path("hello/", hello), path("log-in/", log_in)]
