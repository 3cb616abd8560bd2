"""A refused client receives the reason, and the server logs no traceback."""

import asyncio

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import path
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from websockets.exceptions import InvalidStatus

from rest_channels.consumers import SocketConsumer
from rest_channels.routing import include, route, route_class
from rest_channels.views import SocketView

from .conftest import TIMEOUT

REASONS = {401: NotAuthenticated, 403: PermissionDenied, 404: Http404}


class Refusing(SocketView):
    def connect(self, request, status):
        raise REASONS[status]


class Members(SocketView):
    permission_classes = [IsAuthenticated]


class Closed(SocketConsumer):
    async def connect(self):
        self.close()


class Accepting(SocketView):
    async def connect(self, request):
        self.send_json("here")


urlpatterns = [
    path("<int:status>/", Refusing.as_asgi()),
    path("members/", Members.as_asgi()),
    path("closed/", Closed.as_asgi()),
    path("here/", Accepting.as_asgi()),
]


class Plain(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send_json(self.scope["url_route"]["kwargs"])


def send_client_address(message):
    message.reply_channel.send({"text": f'"{message["client"][0]}"'})


routing = [
    route("websocket.connect", send_client_address, path=r"^/function/$"),
    include([route_class(Plain, path=r"^/(?P<pk>\d+)/$")], path=r"^/plain"),
    route_class(Closed, path=r"^/closed/$"),
    route_class(Accepting, path=r"^/here/$"),
]


async def refused_with(server, where, **options) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        await server.connect(where, **options)
    return refusal.value.response.status_code


@pytest.mark.parametrize("status", REASONS)
async def test_a_client_refused_in_connect_receives_an_error_frame_and_a_close_code(
    server, status
) -> None:
    async with server.connect(f"rejections/{status}/") as client:
        assert (await client.receive_json())["status"] == status
        code, reason = await client.receive_close()
    assert code == 4000 + status
    assert reason or server.kind == "daphne"


async def test_a_permission_closes_an_anonymous_connection_with_4401(server) -> None:
    async with server.connect("rejections/members/") as client:
        assert (await client.receive_json())["status"] == 401
        assert (await client.receive_close())[0] == 4401


@pytest.mark.parametrize(
    "where",
    ["", "nowhere/", "frames/", "rejections/x/", "a%00b/", "%ff/", "x/?%ff&session_key=%00"],
)
async def test_an_unknown_path_is_refused_with_403_and_no_traceback(server, where) -> None:
    assert await refused_with(server, where) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1", "null"])
async def test_a_foreign_origin_is_refused_with_403_and_no_traceback(server, origin) -> None:
    assert await refused_with(server, "rejections/here/", origin=origin) == 403


async def test_a_malformed_origin_is_refused_without_a_traceback(server) -> None:
    # autobahn, the WebSocket library of daphne, answers some of them with 400 itself.
    assert await refused_with(server, "rejections/here/", origin="http://[::1") in (400, 403)


async def test_the_origin_of_the_site_itself_is_accepted(server) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    async with server.connect("rejections/here/", origin=origin) as client:
        assert await client.receive_json() == "here"


async def test_a_consumer_that_closes_in_connect_refuses_the_handshake(server) -> None:
    assert await refused_with(server, "rejections/closed/") == 403


UPGRADE = (
    b"GET /rejections/here/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ],
)
async def test_a_malformed_upgrade_gets_a_4xx_status_and_the_server_goes_on(server, rest) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(UPGRADE + rest + b"\r\n")
    async with asyncio.timeout(TIMEOUT):
        status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()
    assert status.startswith(b"4")
    async with server.connect("rejections/here/") as client:
        assert await client.receive_json() == "here"


# Behind a proxy, with a route list.


@pytest.fixture(params=["uvicorn", "daphne"])
def proxied(request, checked_server):
    return checked_server(request.param, "asgi_proxied")


HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"}


async def test_a_route_serves_its_class_and_other_paths_are_refused_with_403(proxied) -> None:
    async with proxied.connect("plain/7/") as client:
        assert await client.receive_json() == {"pk": "7"}
    async with proxied.connect("here/") as client:
        assert await client.receive_json() == "here"
    for where in ("", "plain/x/", "7/", "nowhere/", "closed/", "here/x/"):
        assert await refused_with(proxied, where) == 403


async def test_behind_a_proxy_only_the_origin_that_the_browser_sees_is_accepted(proxied) -> None:
    options = {"additional_headers": HTTPS}
    async with proxied.connect("here/", origin="https://localhost", **options) as client:
        assert await client.receive_json() == "here"
    for origin in ("http://localhost", f"http://127.0.0.1:{proxied.port}", "https://evil.example"):
        assert await refused_with(proxied, "here/", origin=origin, **options) == 403


async def test_behind_a_proxy_a_view_has_the_address_of_the_client(proxied) -> None:
    # uvicorn trusts 127.0.0.1 and evaluates the header first, with the same result.
    options = {"additional_headers": {"X-Forwarded-For": "6.6.6.6, 1.2.3.4, 127.0.0.1"}}
    async with proxied.connect("function/", **options) as client:
        assert await client.receive_json() == "1.2.3.4"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"])
@pytest.mark.parametrize("value", ["", ",", "[::1", "unix:", "a b"])
async def test_an_invalid_proxy_header_causes_no_traceback(proxied, name, value) -> None:
    async with proxied.connect("function/", additional_headers={name: value}) as client:
        await client.receive_json()
