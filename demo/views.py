"""The first page and the door. What is live is in `compositions` and `chat`."""

from django.contrib.auth import login
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.shortcuts import get_object_or_404, redirect
from django.views import View
from django.views.generic import TemplateView

from .people import demo_people


class Home(TemplateView):
    template_name = "demo/home.html"
    extra_context = {"people": demo_people}


class LogIn(LoginView):
    template_name = "demo/login.html"
    extra_context = {"people": demo_people}


class LogInAs(RedirectURLMixin, View):
    """One click logs a visitor in as ada, ben or cleo."""

    http_method_names = ["post"]
    next_page = "home"

    def post(self, request, username):
        login(request, get_object_or_404(demo_people(), username=username))
        return redirect(self.get_success_url())
