"""Tokens that are refused, and what the client learns about it."""

import pytest
from rest_framework import status
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.testing import SocketCommunicator

EXPIRED = {"detail": "Given token not valid for any token type", "code": "token_not_valid"}


class Refusing(TokenAuthentication):
    """Refuses each token with what it says, as authenticators of JSON Web Tokens do."""

    keyword = "Bearer"

    def authenticate_credentials(self, key):
        raise AuthenticationFailed(EXPIRED if key == "expired" else "User is inactive.")


class WithoutScheme(Refusing):
    def authenticate_header(self, request):
        return None


class Guarded(AsyncAPIConsumer):
    authentication_classes = [Refusing]
    permission_classes = [IsAuthenticated]
    refuse_after_accepting = True


class GuardedWithoutScheme(Guarded):
    authentication_classes = [WithoutScheme]


def connect(consumer, key):
    offered = ["rest-channels", f"authorization.Bearer.{key}"]
    return SocketCommunicator(consumer.as_asgi(), subprotocols=offered, dialect="action")


@pytest.mark.parametrize(
    ("key", "errors"), [("expired", [EXPIRED]), ("inactive", ["User is inactive."])]
)
async def test_a_client_learns_why_its_token_is_refused_as_over_http(key, errors) -> None:
    socket = connect(Guarded, key)
    await socket.connect()
    answer = await socket.receive_json()
    assert (answer["response_status"], answer["errors"]) == (401, errors)
    await socket.expect_close(4401)
    await socket.disconnect()


async def test_a_refused_token_is_a_403_without_a_header_that_asks_for_another() -> None:
    socket = connect(GuardedWithoutScheme, "inactive")
    await socket.connect()
    answer = await socket.receive_json()
    assert answer["errors"] == ["User is inactive."]
    await socket.expect_close(4000 + status.HTTP_403_FORBIDDEN)
    await socket.disconnect()


async def test_the_log_says_why_a_token_was_refused(caplog) -> None:
    socket = connect(Guarded, "inactive")
    await socket.connect()
    await socket.expect_close(4401)
    await socket.disconnect()
    assert "User is inactive." in caplog.text
