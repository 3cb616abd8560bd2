"""A connection has the token that its client's next HTTP request would be authenticated with."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts, watch_related
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def expiry(monkeypatch):
    """A comment is a token of its user, which expires at its date. Its text may be "revoked"."""
    monkeypatch.setattr(Comment, "expires", property(lambda self: self.date), raising=False)


@pytest.fixture
def token():
    return save_until(Comment.objects.create(user=User.objects.create_user("ada")), 60)


def save_until(token, seconds):
    token.date = timezone.now() + timedelta(seconds=seconds)
    token.save()
    return token


class PassToken(TokenAuthentication):
    counted = 0

    def authenticate_credentials(self, key):
        type(self).counted += 1
        token = Comment.objects.get(pk=key)
        if token.text == "revoked":
            raise AuthenticationFailed
        return token.user, token


class Guarded(AsyncAPIConsumer):
    authentication_classes = [SessionAuthentication, PassToken]
    permission_classes = [IsAuthenticated]

    @action()
    async def text(self):
        return self.scope["auth"].text, 200


def connect(token, consumer=Guarded):
    header = ("authorization", f"Token {token.pk}")
    return SocketCommunicator(consumer.as_asgi(), headers=[header], dialect="action")


async def text_of(socket):
    return (await socket.expect_reply(await socket.call("text"), status=200))["data"]


async def test_a_token_that_is_revoked_by_save_closes_its_sockets_at_once(token) -> None:
    async with connect(token) as socket:
        token.text = "revoked"
        await token.asave()
        await socket.expect_close(4401)


async def test_a_token_that_is_revoked_without_a_signal_closes_within_a_heartbeat(token) -> None:
    async with connect(token) as socket:
        await Comment.objects.aupdate(text="revoked")
        await check_accounts(current_hub())
        await socket.expect_close(4401)


async def test_a_token_that_a_frame_has_sent_is_followed_too(token) -> None:
    class Late(Guarded):
        permission_classes = []

    async with SocketCommunicator(Late.as_asgi(), dialect="action") as socket:
        await socket.send_json({"action": "authenticate", "token": str(token.pk)})
        await socket.receive_json()
        token.text = "revoked"
        await token.asave()
        await socket.expect_close(4401)


async def test_a_token_that_belongs_to_another_user_now_closes_its_sockets(token) -> None:
    async with connect(token) as socket:
        token.user = await User.objects.acreate_user("grace")
        await token.asave()
        await socket.expect_close(4401)


async def test_a_token_that_expires_earlier_now_closes_its_sockets_then(token, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": None}
    async with connect(token) as socket:
        token.date = timezone.now() + timedelta(seconds=0.1)
        await token.asave()
        await socket.expect_close(4401)


async def test_a_token_that_expires_later_now_keeps_its_sockets_open(token, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": None}
    async with connect(token) as socket:
        token.date = timezone.now() + timedelta(seconds=0.3)
        await token.asave()
        await text_of(socket)
        token.date = timezone.now() + timedelta(seconds=60)
        await token.asave()
        await socket.expect_nothing(0.5)


async def test_the_next_frame_has_the_new_columns_of_the_token(token) -> None:
    async with connect(token) as socket:
        token.text = "read only"
        await token.asave()
        assert await text_of(socket) == "read only"


async def test_a_token_that_a_middleware_has_set_has_its_new_columns_too(token) -> None:
    class Plain(SocketConsumer):
        async def receive_json(self, content):
            self.send_json(self.scope["auth"].text)

    socket = SocketCommunicator(Plain.as_asgi())
    socket.scope["auth"] = token
    async with socket:
        own = await Comment.objects.aget()
        own.text = "new"
        await own.asave()
        await socket.send_json(None)
        await socket.expect_event("new")


async def test_a_token_that_is_saved_unchanged_is_not_looked_up_again(token) -> None:
    async with connect(token) as socket:
        counted = PassToken.counted
        await token.asave()
        await text_of(socket)
        assert PassToken.counted == counted


async def test_an_authenticator_that_saves_its_token_is_not_called_for_ever(token) -> None:
    watch_related(Comment)  # as if a user had loaded comments

    class Counting(PassToken):
        def authenticate_credentials(self, key):
            user, found = super().authenticate_credentials(key)
            other = Comment.objects.get(pk=key)
            other.text = str(self.counted)  # as "last used" columns are
            other.save()
            return user, found

    class Consumer(Guarded):
        authentication_classes = [Counting]

    async with connect(token, Consumer) as socket:
        counted = Counting.counted
        await Comment.objects.filter(pk=token.pk).aupdate(text="other")
        await check_accounts(current_hub())
        await text_of(socket)
        await socket.expect_nothing()
        assert Counting.counted == counted + 1


async def test_a_database_that_is_down_during_the_check_of_a_token_closes_nothing(
    token, caplog
) -> None:
    class Failing(PassToken):
        def authenticate_credentials(self, key):
            user, found = super().authenticate_credentials(key)
            if found.text == "down":
                raise OperationalError
            return user, found

    class Consumer(Guarded):
        authentication_classes = [Failing]

    async with connect(token, Consumer) as socket:
        await Comment.objects.aupdate(text="down")
        await check_accounts(current_hub())
        assert await text_of(socket) == ""
        assert "Cannot check sessions and users." in caplog.text
        await Comment.objects.aupdate(text="up")
        await check_accounts(current_hub())
        assert await text_of(socket) == "up"
