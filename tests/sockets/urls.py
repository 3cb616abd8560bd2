"""URLs for the tests of the admin, with sessions registered."""

from django.contrib import admin
from django.contrib.sessions.models import Session
from django.urls import path

admin.site.register(Session)

urlpatterns = [path("admin/", admin.site.urls)]
