"""Throttles of DRF that count failed authentications."""

import pytest
from django.core.cache import cache
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.throttling import ScopedRateThrottle, UserRateThrottle

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.testing import SocketCommunicator


class ThreePerHour(ScopedRateThrottle):
    THROTTLE_RATES = {"guesses": "3/hour", "three": "3/hour"}


class AnyAnswer(TokenAuthentication):
    """Knows no token, and keeps those that it has looked up."""

    looked_up = []

    def authenticate_credentials(self, key):
        self.looked_up.append(key)
        raise AuthenticationFailed


class Scoped(AsyncAPIConsumer):
    authentication_classes = [AnyAnswer]
    throttle_classes = [ThreePerHour]
    throttle_scope = "guesses"

    @action()
    async def act(self):
        return {}, 200


@pytest.fixture(autouse=True)
def nothing_counted():
    cache.clear()
    AnyAnswer.looked_up.clear()
    yield
    cache.clear()


async def guess(consumer, key="wrong"):
    header = ("authorization", f"Token {key}")
    communicator = SocketCommunicator(consumer.as_asgi(), headers=[header], dialect="action")
    await communicator.connect()
    await communicator.disconnect()


async def test_a_scoped_throttle_refuses_guesses_before_the_next_token_is_looked_up() -> None:
    for number in range(5):
        await guess(Scoped, f"wrong-{number}")
    assert AnyAnswer.looked_up == ["wrong-0", "wrong-1", "wrong-2"]


async def test_the_guesses_of_a_scope_are_not_counted_as_its_actions() -> None:
    class Open(Scoped):
        authentication_classes = []

    for _ in range(3):
        await guess(Scoped)
    async with SocketCommunicator(Open.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("act"), response_status=200)


async def test_a_scoped_throttle_without_a_scope_refuses_no_guess() -> None:
    class Unscoped(Scoped):
        throttle_scope = None

    for _ in range(5):
        await guess(Unscoped)
    assert len(AnyAnswer.looked_up) == 5


async def test_get_throttles_may_return_the_same_instances_again() -> None:
    class TwoPerHour(UserRateThrottle):
        rate = "2/hour"

    throttles = [TwoPerHour()]

    class Shared(Scoped):
        def get_throttles(self):
            return throttles

    for _ in range(4):
        await guess(Shared)
    assert throttles[0].scope == "user"
    assert len(AnyAnswer.looked_up) == 2
