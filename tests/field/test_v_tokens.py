"""An authenticator that cannot decide now says nothing about a token that was accepted."""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    PermissionDenied,
    Throttled,
    ValidationError,
)

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class Unavailable(APIException):
    status_code = 503


class Introspecting(TokenAuthentication):
    """Raises `error` as long as there is one, as when a service does not answer."""

    error = None

    def authenticate_credentials(self, key):
        token = Comment.objects.get(pk=key)
        if self.error is not None:
            raise self.error
        return token.user, token


class Guarded(AsyncAPIConsumer):
    authentication_classes = [Introspecting]

    @action()
    async def text(self):
        return self.scope["auth"].text, 200


@pytest.fixture
def token():
    return Comment.objects.create(user=User.objects.create_user("ada"), text="old")


def connect(token):
    header = ("authorization", f"Token {token.pk}")
    return SocketCommunicator(Guarded.as_asgi(), headers=[header], dialect="action")


async def change(token):
    token.text = "new"
    await token.asave()
    await check_accounts(current_hub())


@pytest.mark.parametrize("error", [Unavailable(), Throttled(), ConnectionError()], ids=repr)
async def test_a_socket_stays_until_its_authenticator_can_decide_again(
    error, token, monkeypatch, caplog
) -> None:
    async with connect(token) as socket:
        monkeypatch.setattr(Introspecting, "error", error)
        await change(token)
        await socket.expect_reply(await socket.call("text"), data="old")
        assert "Cannot check" in caplog.text
        monkeypatch.setattr(Introspecting, "error", None)
        await check_accounts(current_hub())
        await socket.expect_reply(await socket.call("text"), data="new")


@pytest.mark.parametrize(
    "error", [AuthenticationFailed(), PermissionDenied(), ValidationError()], ids=repr
)
async def test_a_token_that_is_refused_now_closes_its_socket(error, token, monkeypatch) -> None:
    async with connect(token) as socket:
        monkeypatch.setattr(Introspecting, "error", error)
        await change(token)
        await socket.expect_close(4401)
