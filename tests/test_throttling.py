"""DRF's throttle classes, asked for connections and frames."""

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
def no_history():
    cache.clear()
    yield
    cache.clear()


class Somebody:
    is_authenticated = True

    def __init__(self, pk) -> None:
        self.pk = pk


class Three(UserRateThrottle):
    rate = "3/hour"


class ThreeOfNobody(AnonRateThrottle):
    rate = "3/hour"


class Throttled(SocketView):
    throttle_classes = [Three]

    async def receive(self, request):
        self.send_json({"ok": request.data})


async def spend(socket, times):
    for number in range(times):
        await socket.send_json(number)
        await socket.expect_event({"ok": number})


@pytest.mark.parametrize("throttle", [Three, ThreeOfNobody])
async def test_beyond_the_rate_a_frame_is_429_with_the_wait_and_the_connection_lives(
    throttle,
) -> None:
    async with SocketCommunicator(Throttled.as_asgi(throttle_classes=[throttle])) as socket:
        await spend(socket, 2)  # the connect was the first of three
        for request_id in (7, 8):
            await socket.send_json({"request_id": request_id})
            frame = await socket.expect_reply(request_id, status=429)
            assert frame.keys() == {"detail", "retry_after", "status", "request_id"}
            assert 3_590 < frame["retry_after"] <= 3_600
            assert "throttled" in frame["detail"]
        cache.clear()
        await spend(socket, 2)


async def test_every_user_has_a_rate_of_their_own() -> None:
    ada, bob = Somebody(1), Somebody(2)
    app = Throttled.as_asgi()
    async with SocketCommunicator(app, user=ada) as one, SocketCommunicator(app, user=bob) as two:
        await spend(one, 2)
        await spend(two, 2)
        await one.send_json(None)
        await one.expect_event(status=429)


async def test_one_user_has_one_rate_over_all_connections() -> None:
    ada = Somebody(1)
    app = Throttled.as_asgi()
    async with SocketCommunicator(app, user=ada) as one, SocketCommunicator(app, user=ada) as two:
        await spend(one, 1)
        await two.send_json(None)
        await two.expect_event(status=429)


async def test_a_throttle_of_nobody_lets_somebody_pass() -> None:
    app = Throttled.as_asgi(throttle_classes=[ThreeOfNobody])
    async with SocketCommunicator(app, user=Somebody(1)) as socket:
        await spend(socket, 10)


async def test_nobody_is_counted_by_address() -> None:
    app = Throttled.as_asgi(throttle_classes=[ThreeOfNobody])
    async with SocketCommunicator(app) as one:
        await spend(one, 2)
        other = SocketCommunicator(app)
        other.scope["client"] = ("10.0.0.9", 1)
        async with other:
            await spend(other, 2)


async def test_who_connects_too_often_is_told_when_to_come_back_and_closed() -> None:
    app = Throttled.as_asgi()
    for _time in range(3):
        async with SocketCommunicator(app):
            pass
    async with SocketCommunicator(app) as socket:
        frame = await socket.expect_event(status=429)
        assert frame["retry_after"] > 0
        await socket.expect_close(CloseCode.for_status(429))


@pytest.mark.parametrize("waits", [(5, 9, None), (9, 5, None), (None, None, 9)])
async def test_all_throttles_are_asked_and_the_longest_wait_counts(waits) -> None:
    asked = []

    class Wait(BaseThrottle):
        seconds = None

        def allow_request(self, request, view):
            asked.append(self.seconds)
            return request.event == "connect"

        def wait(self):
            return self.seconds

    kinds = [type("Kind", (Wait,), {"seconds": seconds}) for seconds in waits]
    async with SocketCommunicator(Throttled.as_asgi(throttle_classes=kinds)) as socket:
        await socket.send_json(None)
        await socket.expect_event(status=429, retry_after=9)
    assert asked == [*waits, *waits]


async def test_a_throttle_without_a_wait_answers_without_one() -> None:
    class Never(BaseThrottle):
        def allow_request(self, request, view):
            return request.event == "connect"

    async with SocketCommunicator(Throttled.as_asgi(throttle_classes=[Never])) as socket:
        await socket.send_json(None)
        await socket.expect_event({"detail": "Request was throttled.", "status": 429})


async def test_a_handler_that_is_throttled_does_not_run() -> None:
    ran = []

    class Counting(SocketView):
        throttle_classes = [Three]

        def receive(self, request):
            ran.append(request.data)
            self.send_json("ran")

    async with SocketCommunicator(Counting.as_asgi()) as socket:
        for number in range(2):
            await socket.send_json(number)
            await socket.expect_event("ran")
        await socket.send_json(2)
        await socket.expect_event(status=429)
    assert ran == [0, 1]


async def test_leaving_is_never_throttled() -> None:
    left = []

    class Leaving(Throttled):
        def disconnect(self, request):
            left.append(request.code)

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        await spend(socket, 2)
    assert left == [1000]


async def test_who_is_refused_is_not_counted() -> None:
    app = Throttled.as_asgi(permission_classes=[IsAuthenticated], throttle_classes=[ThreeOfNobody])
    for _time in range(5):
        async with SocketCommunicator(app) as socket:
            await socket.expect_event(status=401)
            await socket.expect_close(4401)


async def test_a_method_answers_429_in_its_own_shape() -> None:
    class Game(SocketRouteView):
        throttle_classes = [Three]

        @socket_route
        def move(self, request, data):
            return data

    async with SocketCommunicator(Game.as_asgi()) as socket:
        for number in range(2):
            await socket.expect_reply(await socket.call("move", number), data=number)
        frame = await socket.expect_reply(await socket.call("move", 5), method="move", status=429)
        assert frame.keys() == {"method", "data", "status", "request_id"}
        assert frame["data"].keys() == {"detail", "retry_after"}


async def test_the_setting_names_the_throttles_of_views_that_name_none() -> None:
    class Plain(SocketView):
        async def receive(self, request):
            self.send_json({"ok": request.data})

    with override_settings(REST_CHANNELS={"DEFAULT_THROTTLE_CLASSES": [Three]}):
        async with SocketCommunicator(Plain.as_asgi()) as socket:
            await spend(socket, 2)
            await socket.send_json(None)
            await socket.expect_event(status=429)
        async with SocketCommunicator(Plain.as_asgi(throttle_classes=[])) as socket:
            await spend(socket, 5)


async def test_drfs_rates_are_read_from_drfs_settings() -> None:
    class Often(UserRateThrottle):
        scope = "often"
        THROTTLE_RATES = {"often": "2/min"}

    async with SocketCommunicator(Throttled.as_asgi(throttle_classes=[Often])) as socket:
        await spend(socket, 1)
        await socket.send_json(None)
        frame = await socket.expect_event(status=429)
        assert 0 < frame["retry_after"] <= 60


async def test_a_throttle_that_breaks_is_a_500_and_the_connection_lives(caplog) -> None:
    class Broken(BaseThrottle):
        def allow_request(self, request, view):
            if request.event == "connect" or request.data == "fine":
                return True
            raise ConnectionError("MARKER: the cache is down")

    async with SocketCommunicator(Throttled.as_asgi(throttle_classes=[Broken])) as socket:
        await socket.send_json(None)
        await socket.expect_event({"detail": "A server error occurred.", "status": 500})
        await socket.send_json("fine")
        await socket.expect_event({"ok": "fine"})


async def test_an_async_throttle_is_awaited_and_so_is_its_wait() -> None:
    class Never(BaseThrottle):
        async def allow_request(self, request, view):
            return request.event == "connect"

        async def wait(self):
            return 7.0

    class Slow(SocketView):
        throttle_classes = [Never]

        async def receive(self, request):
            self.send_json("the secret")

    async with SocketCommunicator(Slow.as_asgi()) as socket:
        await socket.send_json({"request_id": 1})
        await socket.expect_reply(1, status=429, retry_after=7)


async def test_an_async_throttle_of_a_consumer_is_awaited() -> None:
    class Never(BaseThrottle):
        async def allow_request(self, request, view):
            return False

    class Slow(AsyncAPIConsumer):
        throttle_classes = [Never]

        @action()
        async def tell(self):
            return "the secret", 200

    async with SocketCommunicator(Slow.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("tell"), response_status=429, data=None)
