"""Serves the page of a socket at the socket's own URL, inside the site's middleware."""

from functools import partial
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, ResolverMatch
from django.views.decorators.cache import never_cache

from ..introspection.sockets import sockets_at
from ..routing.application import SocketApplication
from .access import check_access
from .views import render_sockets

__all__ = ["ConsoleHandler"]


class ConsoleHandler(ASGIHandler):
    """Django's handler, with one more page: that of the socket at the path of the request.

    A page of the site's URLs at the same path comes first.
    """

    def __init__(self, application: SocketApplication) -> None:
        super().__init__()
        self.load_middleware(is_async=True)
        self.application = application

    def resolve_request(self, request: HttpRequest) -> Any:
        try:
            return super().resolve_request(request)
        except Resolver404:
            view = partial(_own_page, application=self.application)
            request.resolver_match = ResolverMatch(view, (), {})
            return request.resolver_match


@never_cache
def _own_page(request: Any, application: SocketApplication) -> HttpResponse:
    """Show the sockets at the path of `request`. Raises `Http404` where the console is closed."""
    check_access(request)
    return render_sockets(request, sockets_at(application, request.scope), request.path)
