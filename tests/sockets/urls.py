"""What the tests of the admin visit: it, with sessions too."""

from django.contrib import admin
from django.contrib.sessions.models import Session
from django.urls import path

admin.site.register(Session)

urlpatterns = [path("admin/", admin.site.urls)]
