"""DRF's throttle classes, for connections and for frames."""

import pytest
from django.core.cache import cache
from django.test import override_settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.throttling import AnonRateThrottle, BaseThrottle, UserRateThrottle

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.exceptions import CloseCode
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


class AuthenticatedUser:
    is_authenticated = True

    def __init__(self, pk) -> None:
        self.pk = pk


class ThreePerHour(UserRateThrottle):
    rate = "3/hour"


class AnonymousThreePerHour(AnonRateThrottle):
    rate = "3/hour"


class ThrottledView(SocketView):
    throttle_classes = [ThreePerHour]

    async def receive(self, request):
        self.send_json({"ok": request.data})


async def send_frames(socket, count):
    for number in range(count):
        await socket.send_json(number)
        await socket.expect_event({"ok": number})


@pytest.mark.parametrize("throttle", [ThreePerHour, AnonymousThreePerHour])
async def test_a_client_above_the_rate_receives_a_429_and_stays_connected(throttle) -> None:
    async with SocketCommunicator(ThrottledView.as_asgi(throttle_classes=[throttle])) as socket:
        await send_frames(socket, 2)  # the connect was the first of three events
        for request_id in (7, 8):
            await socket.send_json({"request_id": request_id})
            frame = await socket.expect_reply(request_id, status=429)
            assert frame.keys() == {"detail", "retry_after", "status", "request_id"}
            assert 3_590 < frame["retry_after"] <= 3_600
            assert "throttled" in frame["detail"]
        cache.clear()
        await send_frames(socket, 2)


async def test_a_throttle_counts_each_user_separately() -> None:
    ada, bob = AuthenticatedUser(1), AuthenticatedUser(2)
    app = ThrottledView.as_asgi()
    async with (
        SocketCommunicator(app, user=ada) as first,
        SocketCommunicator(app, user=bob) as second,
    ):
        await send_frames(first, 2)
        await send_frames(second, 2)
        await first.send_json(None)
        await first.expect_event(status=429)


async def test_a_throttle_counts_all_connections_of_a_user_together() -> None:
    ada = AuthenticatedUser(1)
    app = ThrottledView.as_asgi()
    async with (
        SocketCommunicator(app, user=ada) as first,
        SocketCommunicator(app, user=ada) as second,
    ):
        await send_frames(first, 1)
        await second.send_json(None)
        await second.expect_event(status=429)


async def test_an_anonymous_throttle_does_not_limit_users() -> None:
    app = ThrottledView.as_asgi(throttle_classes=[AnonymousThreePerHour])
    async with SocketCommunicator(app, user=AuthenticatedUser(1)) as socket:
        await send_frames(socket, 10)


async def test_an_anonymous_throttle_counts_clients_by_address() -> None:
    app = ThrottledView.as_asgi(throttle_classes=[AnonymousThreePerHour])
    async with SocketCommunicator(app) as first:
        await send_frames(first, 2)
        other = SocketCommunicator(app)
        other.scope["client"] = ("10.0.0.9", 1)
        async with other:
            await send_frames(other, 2)


async def test_a_client_that_connects_too_often_receives_a_429_frame_and_is_closed() -> None:
    app = ThrottledView.as_asgi()
    for _time in range(3):
        async with SocketCommunicator(app):
            pass
    async with SocketCommunicator(app) as socket:
        frame = await socket.expect_event(status=429)
        assert frame["retry_after"] > 0
        await socket.expect_close(CloseCode.for_status(429))


@pytest.mark.parametrize("waits", [(5, 9, None), (9, 5, None), (None, None, 9)])
async def test_all_throttles_are_called_and_the_longest_wait_counts(waits) -> None:
    calls = []

    class Wait(BaseThrottle):
        seconds = None

        def allow_request(self, request, view):
            calls.append(self.seconds)
            return request.event == "connect"

        def wait(self):
            return self.seconds

    throttles = [type("Throttle", (Wait,), {"seconds": seconds}) for seconds in waits]
    async with SocketCommunicator(ThrottledView.as_asgi(throttle_classes=throttles)) as socket:
        await socket.send_json(None)
        await socket.expect_event(status=429, retry_after=9)
    assert calls == [*waits, *waits]


async def test_a_throttle_without_a_wait_gives_an_answer_without_a_wait() -> None:
    class RejectAll(BaseThrottle):
        def allow_request(self, request, view):
            return request.event == "connect"

    async with SocketCommunicator(ThrottledView.as_asgi(throttle_classes=[RejectAll])) as socket:
        await socket.send_json(None)
        await socket.expect_event({"detail": "Request was throttled.", "status": 429})


async def test_a_throttled_handler_does_not_run() -> None:
    handled = []

    class Counting(SocketView):
        throttle_classes = [ThreePerHour]

        def receive(self, request):
            handled.append(request.data)
            self.send_json("ran")

    async with SocketCommunicator(Counting.as_asgi()) as socket:
        for number in range(2):
            await socket.send_json(number)
            await socket.expect_event("ran")
        await socket.send_json(2)
        await socket.expect_event(status=429)
    assert handled == [0, 1]


async def test_disconnecting_is_never_throttled() -> None:
    codes = []

    class Leaving(ThrottledView):
        def disconnect(self, request):
            codes.append(request.code)

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        await send_frames(socket, 2)
    assert codes == [1000]


async def test_a_throttle_does_not_count_a_refused_client() -> None:
    app = ThrottledView.as_asgi(
        permission_classes=[IsAuthenticated], throttle_classes=[AnonymousThreePerHour]
    )
    for _time in range(5):
        async with SocketCommunicator(app) as socket:
            await socket.expect_event(status=401)
            await socket.expect_close(4401)


async def test_a_route_view_answers_429_in_the_format_of_its_dialect() -> None:
    class Game(SocketRouteView):
        throttle_classes = [ThreePerHour]

        @socket_route
        def move(self, request, data):
            return data

    async with SocketCommunicator(Game.as_asgi()) as socket:
        for number in range(2):
            await socket.expect_reply(await socket.call("move", number), data=number)
        frame = await socket.expect_reply(await socket.call("move", 5), method="move", status=429)
        assert frame.keys() == {"method", "data", "status", "request_id"}
        assert frame["data"].keys() == {"detail", "retry_after"}


async def test_views_without_throttle_classes_use_those_of_the_setting() -> None:
    class Plain(SocketView):
        async def receive(self, request):
            self.send_json({"ok": request.data})

    with override_settings(REST_CHANNELS={"DEFAULT_THROTTLE_CLASSES": [ThreePerHour]}):
        async with SocketCommunicator(Plain.as_asgi()) as socket:
            await send_frames(socket, 2)
            await socket.send_json(None)
            await socket.expect_event(status=429)
        async with SocketCommunicator(Plain.as_asgi(throttle_classes=[])) as socket:
            await send_frames(socket, 5)


async def test_a_throttle_reads_its_rate_from_the_settings_of_drf() -> None:
    class Often(UserRateThrottle):
        scope = "often"
        THROTTLE_RATES = {"often": "2/min"}

    async with SocketCommunicator(ThrottledView.as_asgi(throttle_classes=[Often])) as socket:
        await send_frames(socket, 1)
        await socket.send_json(None)
        frame = await socket.expect_event(status=429)
        assert 0 < frame["retry_after"] <= 60


async def test_a_throttle_that_raises_an_error_gives_a_500_and_keeps_the_connection(caplog) -> None:
    class Broken(BaseThrottle):
        def allow_request(self, request, view):
            if request.event == "connect" or request.data == "fine":
                return True
            raise ConnectionError("MARKER: the cache is down")

    async with SocketCommunicator(ThrottledView.as_asgi(throttle_classes=[Broken])) as socket:
        await socket.send_json(None)
        await socket.expect_event({"detail": "A server error occurred.", "status": 500})
        await socket.send_json("fine")
        await socket.expect_event({"ok": "fine"})


async def test_an_async_throttle_and_its_wait_are_awaited() -> None:
    class RejectAll(BaseThrottle):
        async def allow_request(self, request, view):
            return request.event == "connect"

        async def wait(self):
            return 7.0

    class Slow(SocketView):
        throttle_classes = [RejectAll]

        async def receive(self, request):
            self.send_json("the secret")

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.send_json({"request_id": 1})
        await socket.expect_reply(1, status=429, retry_after=7)


async def test_an_async_throttle_of_a_consumer_is_awaited() -> None:
    class RejectAll(BaseThrottle):
        async def allow_request(self, request, view):
            return False

    class Slow(AsyncAPIConsumer):
        throttle_classes = [RejectAll]

        @action()
        async def answer(self):
            return "the secret", 200

    async with SocketCommunicator(Slow.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("answer"), response_status=429, data=None)
