"""A `SocketRequest` has what code written for DRF's and Django's requests asks of one."""

import io

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory
from django.urls import include, path
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.reverse import reverse

from rest_channels.request import SocketRequest
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

ASGI = ASGIRequest(
    {"type": "http", "path": "/", "method": "GET", "headers": [], "query_string": b""},
    io.BytesIO(),
)
DRF = Request(RequestFactory().get("/"))
SET_LATER = ["version", "versioning_scheme", "accepted_renderer", "accepted_media_type"]
"""Attributes that a DRF view, or a middleware, sets on each request."""


def names_of(*objects):
    return {name for each in objects for name in dir(each) if not name.startswith("_")}


@pytest.mark.parametrize(
    "name", sorted(names_of(Request, DRF, HttpRequest, ASGI) | {"_request", *SET_LATER})
)
def test_a_socket_request_has_every_name_of_the_requests_of_drf_and_django(name) -> None:
    assert hasattr(SocketRequest, name)
    assert not hasattr(SocketRequest, "__getattr__")


async def request_of(read, path_="/ws/rooms/7/?page=2", frame="a frame"):
    """Return what `read(request)` returns for a frame."""
    found = []

    class View(SocketView):
        async def receive(self, request, **kwargs):
            found.append(await sync_to_async(read)(request))
            self.send_json(None)

    routes = [
        path("ws/", include(([path("rooms/<int:pk>/", View.as_asgi(), name="room")], "chat")))
    ]
    application = SocketApplication(routes)
    headers = [("accept", "application/json")]
    async with SocketCommunicator(application, path_, headers=headers) as socket:
        await socket.send_json(frame)
        await socket.receive_json()
    return found[0]


@pytest.mark.django_db(transaction=True)
async def test_the_names_lead_to_the_request_of_the_handshake() -> None:
    def read(request):
        assert isinstance(request._request, HttpRequest)
        return {
            "host": request.get_host(),
            "port": request.get_port(),
            "secure": request.is_secure(),
            "scheme": request.scheme,
            "path": request.path_info,
            "full": request.get_full_path(),
            "info": request.get_full_path_info(),
            "absolute": request.build_absolute_uri(),
            "page": request.query_params["page"],
            "accepts": request.accepts("application/json"),
            "cookie": request.get_signed_cookie("none", default="missing"),
            "encoding": request.encoding,
        }

    assert await request_of(read) == {
        "host": "testserver",
        "port": "80",
        "secure": False,
        "scheme": "http",
        "path": "/ws/rooms/7/",
        "full": "/ws/rooms/7/?page=2",
        "info": "/ws/rooms/7/?page=2",
        "absolute": "http://testserver/ws/rooms/7/?page=2",
        "page": "2",
        "accepts": True,
        "cookie": "missing",
        "encoding": None,
    }


@pytest.mark.django_db(transaction=True)
async def test_the_route_of_the_connection_is_the_resolver_match() -> None:
    def read(request):
        match = request.resolver_match
        context = request.parser_context
        assert context["request"] is request
        return match.kwargs, match.url_name, match.view_name, match.namespace, context["kwargs"]

    assert await request_of(read) == ({"pk": 7}, "room", "chat:room", "chat", {"pk": 7})


@pytest.mark.django_db(transaction=True)
async def test_the_route_of_a_connection_without_socketapplication_has_its_arguments() -> None:
    class View(SocketView):
        async def receive(self, request, **kwargs):
            self.send_json(request.resolver_match.kwargs)

    async with SocketCommunicator(View.as_asgi(), kwargs={"pk": 7}) as socket:
        await socket.send_json({})
        assert await socket.receive_json() == {"pk": 7}


@pytest.mark.django_db(transaction=True)
async def test_the_frame_is_the_body_and_files_can_be_asked_for() -> None:
    def read(request):
        body = request.body
        return body, request.stream.read(), request.read(), request.data, [*request.FILES]

    assert await request_of(read, frame={"a": 1}) == (b'{"a":1}', b'{"a":1}', b"", {"a": 1}, [])


@pytest.mark.django_db(transaction=True)
async def test_content_negotiation_and_versioning_have_the_values_of_json() -> None:
    def read(request):
        assert isinstance(request.negotiator, BaseContentNegotiation)
        assert isinstance(request.POST, QueryDict)
        url = reverse("admin:index", request=request)
        renderer = request.accepted_renderer
        return renderer.format, request.accepted_media_type, request.version, url

    assert await request_of(read) == (
        "json",
        "application/json",
        None,
        "http://testserver/admin/",
    )


@pytest.mark.django_db(transaction=True)
async def test_a_view_may_set_what_drf_sets() -> None:
    def read(request):
        request.version, request.auth = "v2", "token"
        request.resolver_match = None
        return request.version, request.scope["auth"], request.resolver_match

    assert await request_of(read) == ("v2", "token", None)
