"""The home page and the log-in."""

from django.contrib.auth import login
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.shortcuts import get_object_or_404, redirect
from django.views import View
from django.views.generic import TemplateView

from .pages import CONSOLE, PAGES
from .people import ADMIN, PASSWORD, demo_users


class Home(TemplateView):
    template_name = "demo/home.html"
    extra_context = {
        "people": demo_users,
        "pages": [*PAGES, CONSOLE],
        "admin": ADMIN,
        "password": PASSWORD,
    }


class LogIn(LoginView):
    template_name = "demo/login.html"
    extra_context = {"people": demo_users}


class LogInAs(RedirectURLMixin, View):
    """Log a visitor in as one of the demo's users, without a password."""

    http_method_names = ["post"]
    next_page = "home"

    def post(self, request, username):
        login(request, get_object_or_404(demo_users(), username=username))
        return redirect(self.get_success_url())
