"""A user who logs in over HTTP is the user of the socket, with either middleware."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework.permissions import IsAuthenticated

from rest_channels.views import SocketView


class UserName(SocketView):
    async def connect(self, request):
        self.send_json(request.user.username)


class Account(SocketView):
    permission_classes = [IsAuthenticated]

    def receive(self, request):
        self.send_json(list(get_user_model().objects.values_list("username", flat=True)))


urlpatterns = [path("user-name/", UserName.as_asgi()), path("account/", Account.as_asgi())]


async def logged_in(server) -> dict[str, str]:
    response, body = await server.get("log-in/")
    assert body == "ada"
    return {"Cookie": response.headers["Set-Cookie"].split(";")[0]}


async def test_a_socket_has_the_user_that_logged_in_over_http(server) -> None:
    headers = await logged_in(server)
    async with server.connect("identity/user-name/", additional_headers=headers) as client:
        assert await client.receive_json() == "ada"
    async with server.connect("identity/account/", additional_headers=headers) as client:
        await client.send_json(None)
        assert await client.receive_json() == ["ada"]


@pytest.mark.parametrize("cookie", ["", "sessionid=", "sessionid=forged", "sessionid=\xff", ";="])
async def test_an_invalid_session_cookie_gives_an_anonymous_user(server, cookie) -> None:
    headers = {"Cookie": cookie}
    async with server.connect("identity/user-name/", additional_headers=headers) as client:
        assert await client.receive_json() == ""


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_the_auth_middleware_of_channels_can_provide_the_user(checked_server, kind) -> None:
    server = checked_server(kind, "asgi_channels")
    async with server.connect("user-name/", additional_headers=await logged_in(server)) as client:
        assert await client.receive_json() == "ada"
