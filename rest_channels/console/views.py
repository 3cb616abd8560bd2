"""The pages of the console: the list of all sockets, and one for each."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.common import no_append_slash
from django.views.decorators.http import require_GET

from ..introspection.descriptions import SocketDescription
from ..introspection.sockets import describe_sockets
from .access import check_access
from .pages import page_data, page_key, socket_data

__all__ = ["index", "render_sockets", "socket_page"]


@no_append_slash  # the redirect would show clients without access that there is a console
@require_GET
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """List all sockets of the project. Raises `Http404` for a client that may not see them."""
    check_access(request)
    sockets = [socket_data(each) for each in describe_sockets()]
    return render(request, "rest_channels/console_index.html", {"sockets": sockets})


@no_append_slash
@require_GET
@never_cache
def socket_page(request: HttpRequest, key: str) -> HttpResponse:
    """Show the sockets with a key: one, or the streams of one, or the stream that the query names.

    Raises `Http404` if there is none.
    """
    check_access(request)
    sockets = [each for each in describe_sockets() if page_key(each) == key]
    if (stream := request.GET.get("stream")) is not None:
        sockets = [each for each in sockets if each.stream == stream]
    if not sockets:
        raise Http404
    return render_sockets(request, sockets)


def render_sockets(
    request: HttpRequest, sockets: list[SocketDescription], path: str | None = None
) -> HttpResponse:
    """Return the page of one socket, or of the streams of one.

    Args:
        request: The request for the page.
        sockets: The descriptions to show.
        path: The path to connect to. `None`: the page asks for the arguments in it.
    """
    context = {"content": page_data(sockets, path), "index_url": _index_url()}
    return render(request, "rest_channels/console.html", context)


def _index_url() -> str | None:
    """Return the URL of the list, or `None` if the project does not include it."""
    try:
        return reverse("rest_channels:sockets")
    except NoReverseMatch:
        return None
