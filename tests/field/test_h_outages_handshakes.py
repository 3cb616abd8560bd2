"""Handshakes beside slow handlers, slow databases and clients that guess."""

import asyncio
import threading
import time
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.handshake import identity
from rest_channels.permissions import IsAuthenticated
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def cookie():
    """The headers of a client that is logged in."""
    browser = Client()
    await sync_to_async(browser.force_login)(await User.objects.acreate(username="ada"))
    return [("cookie", f"sessionid={browser.session.session_key}")]


class Blocking(SocketView):
    """Its `def` handler waits for `released`."""

    released = threading.Event()

    def receive(self, request):
        self.released.wait(10)


class Consumer(AsyncAPIConsumer):
    """Lets users in that are logged in."""

    permission_classes = [IsAuthenticated]


class Handler(RoutedSocketHandler):
    """Saves a row for each connection."""


@override_settings(REST_CHANNELS={"MAX_THREADS": 2})
@pytest.mark.parametrize("app", [SocketView, Consumer, Handler])
async def test_slow_def_handlers_do_not_delay_handshakes_that_are_logged_in(cookie, app) -> None:
    Blocking.released.clear()
    application = SocketApplication([path("", app.as_asgi())])
    async with AsyncExitStack() as stack:
        stack.callback(Blocking.released.set)
        for _ in range(5):
            slow = await stack.enter_async_context(SocketCommunicator(Blocking.as_asgi()))
            await slow.send_json(None)
        began = time.monotonic()
        async with SocketCommunicator(application, headers=cookie):
            assert time.monotonic() - began < 2
        Blocking.released.set()


@override_settings(REST_CHANNELS={"HANDSHAKE_TIMEOUT": 0.05, "HANDSHAKE_THREADS": 1})
async def test_a_handshake_whose_session_cannot_be_read_in_time_is_closed_to_reconnect(
    cookie, monkeypatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(identity, "session_user", lambda session: released.wait(10))
    application = SocketApplication([path("", SocketView.as_asgi())])
    for _ in range(3):
        socket = SocketCommunicator(application, headers=cookie)
        await socket.connect()
        await socket.expect_close(4500)
        await socket.disconnect()
    released.set()


@override_settings(REST_CHANNELS={"HANDSHAKE_THREADS": 1})
async def test_work_that_was_given_up_claims_no_thread(cookie, monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(identity, "session_user", lambda session: released.wait(10))
    application = SocketApplication([path("", SocketView.as_asgi())])
    with override_settings(REST_CHANNELS={"HANDSHAKE_TIMEOUT": 0.05, "HANDSHAKE_THREADS": 1}):
        for _ in range(2):
            socket = SocketCommunicator(application, headers=cookie)
            await socket.connect()
            await socket.disconnect()
    released.set()
    monkeypatch.undo()
    async with SocketCommunicator(application, headers=cookie):
        await asyncio.sleep(0)


class FivePerMinute(AnonRateThrottle):
    """The rate of the test."""

    rate = "5/min"


class FivePerMinuteForUsers(UserRateThrottle):
    """The same rate for users."""

    rate = "5/min"


class Tokens(BaseAuthentication):
    """Knows the token `right`, and counts what it looks up."""

    lookups = 0

    def authenticate(self, request):
        Tokens.lookups += 1
        if request.headers.get("Authorization") != "Bearer right":
            raise AuthenticationFailed("Invalid token.")
        return User(pk=7, username="ada"), "right"

    def authenticate_header(self, request):
        return "Bearer"


async def attempt(throttles, token, **kwargs):
    class Guarded(AsyncAPIConsumer):
        authentication_classes = [Tokens]
        throttle_classes = throttles

    application = SocketApplication([path("", Guarded.as_asgi())])
    headers = [("authorization", f"Bearer {token}"), *kwargs.pop("headers", [])]
    socket = SocketCommunicator(application, headers=headers)
    socket.scope["client"] = ("192.0.2.7", 5000)
    accepted, _subprotocol = await socket.connect()
    code = await socket.expect_close() if accepted and token != "right" else None
    await socket.disconnect()
    return code


@override_settings(REST_CHANNELS={"REFUSE_AFTER_ACCEPTING": True})
@pytest.mark.parametrize("throttle", [FivePerMinute, FivePerMinuteForUsers])
async def test_guessed_tokens_are_throttled_before_they_are_looked_up(throttle) -> None:
    cache.clear()
    Tokens.lookups = 0
    codes = [await attempt([throttle], f"guess-{number}") for number in range(40)]
    assert codes == [4401] * 5 + [4529] * 35
    assert Tokens.lookups == 5


@override_settings(REST_CHANNELS={"REFUSE_AFTER_ACCEPTING": True})
async def test_clients_with_a_valid_token_are_not_counted_as_guesses() -> None:
    cache.clear()
    Tokens.lookups = 0
    for _ in range(12):
        assert await attempt([FivePerMinute], "right") is None
    assert (await attempt([FivePerMinute], "wrong"), Tokens.lookups) == (4401, 13)


class OwnCount(AnonRateThrottle):
    """Decides in `allow_request`, which cannot be asked without counting."""

    rate = "5/min"
    allowed = 2

    def allow_request(self, request, view):
        OwnCount.allowed -= 1
        return OwnCount.allowed >= 0

    def wait(self):
        return 30


@override_settings(REST_CHANNELS={"REFUSE_AFTER_ACCEPTING": True})
async def test_a_throttle_with_its_own_allow_request_refuses_guesses_after_the_lookup() -> None:
    Tokens.lookups = 0
    codes = [await attempt([OwnCount], f"guess-{number}") for number in range(3)]
    assert (codes, Tokens.lookups) == ([4401, 4401, 4529], 3)
    assert await attempt([OwnCount], "right") is None
