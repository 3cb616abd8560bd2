"""`channel_session`, in memory and in Django's session engines."""

import pytest
from django.contrib.sessions.models import Session
from django.test import override_settings

from rest_channels.channel_routes import ChannelRouter, route
from rest_channels.decorators import rest_channels
from rest_channels.sessions import channel_session
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

DATABASE = "django.contrib.sessions.backends.db"
CACHE = "django.contrib.sessions.backends.cache"


class Sync(SocketView):
    @rest_channels(channel_session)
    def connect(self, request):
        request.channel_session["seen"] = ["connect"]

    @rest_channels(channel_session)
    def receive(self, request):
        seen = request.channel_session["seen"]
        request.channel_session["seen"] = [*seen, request.data]
        self.send_json(request.channel_session["seen"])
        if request.data == "raise":
            raise LookupError


class Async(SocketView):
    @rest_channels(channel_session)
    async def connect(self, request):
        request.channel_session["seen"] = ["connect"]

    @rest_channels(channel_session)
    async def receive(self, request):
        seen = request.channel_session["seen"]
        request.channel_session["seen"] = [*seen, request.data]
        self.send_json(request.channel_session["seen"])
        if request.data == "raise":
            raise LookupError


both = pytest.mark.parametrize("view", [Sync, Async])


async def stored() -> list:
    """What the sessions of the database hold."""
    return [session.get_decoded() async for session in Session.objects.all()]


@both
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_it_lives_from_connect_to_the_end_whatever_keeps_it(view, engine) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("a")
            await socket.expect_event(["connect", "a"])
            await socket.send_json("b")
            await socket.expect_event(["connect", "a", "b"])


@both
@pytest.mark.parametrize("engine", [None, CACHE, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_what_a_handler_wrote_before_it_raised_is_kept(view, engine, caplog) -> None:
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        async with SocketCommunicator(view.as_asgi()) as socket:
            await socket.send_json("raise")
            await socket.expect_event(["connect", "raise"])
            await socket.expect_event(status=500)
            await socket.send_json("on")
            await socket.expect_event(["connect", "raise", "on"])


@both
@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_with_an_engine_it_is_saved_after_each_handler_also_one_that_raises(
    view, caplog
) -> None:
    async with SocketCommunicator(view.as_asgi()) as socket:
        for said, seen in [("a", ["connect", "a"]), ("raise", ["connect", "a", "raise"])]:
            await socket.send_json(said)
            await socket.expect_event(seen)
            if said == "raise":
                await socket.expect_event(status=500)
        await socket.send_json("raise")
        await socket.expect_event()
        await socket.expect_event(status=500)
        assert await stored() == [{"seen": ["connect", "a", "raise", "raise"]}]


@override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": DATABASE})
@pytest.mark.django_db(transaction=True)
async def test_a_handler_that_only_reads_writes_nothing() -> None:
    class Reading(SocketView):
        @rest_channels(channel_session)
        async def receive(self, request):
            self.send_json(request.channel_session.get("seen"))

    async with SocketCommunicator(Reading.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
    assert await stored() == []


@pytest.mark.parametrize("engine", [None, DATABASE])
@pytest.mark.django_db(transaction=True)
async def test_connections_of_one_http_session_do_not_share_it(engine) -> None:
    headers = [("Cookie", "sessionid=abc")]
    with override_settings(REST_CHANNELS={"CHANNEL_SESSION_ENGINE": engine}):
        app = Sync.as_asgi()
        async with (
            SocketCommunicator(app, headers=headers) as one,
            SocketCommunicator(app, headers=headers) as two,
        ):
            await one.send_json("one")
            await one.expect_event(["connect", "one"])
            await two.send_json("two")
            await two.expect_event(["connect", "two"])


async def test_a_function_of_a_route_list_takes_it_bare() -> None:
    @channel_session
    def on_connect(message, name):
        message.channel_session["name"] = name

    @channel_session
    async def on_receive(message, name):
        message.reply_channel.send({"text": message.channel_session["name"]})

    where = {"path": r"^/(?P<name>\w+)/$"}
    router = ChannelRouter(
        [
            route("websocket.connect", on_connect, **where),
            route("websocket.receive", on_receive, **where),
        ]
    )
    async with SocketCommunicator(router, "/ada/") as socket:
        await socket.send_to("")
        assert await socket.receive_from() == "ada"


async def test_disconnect_still_has_it() -> None:
    left = []

    class Leaving(Sync):
        @rest_channels(channel_session)
        def disconnect(self, request):
            left.append(request.channel_session["seen"])

    async with SocketCommunicator(Leaving.as_asgi()) as socket:
        await socket.send_json("a")
        await socket.expect_event(["connect", "a"])
    assert left == [["connect", "a"]]


async def test_an_event_that_is_not_decorated_has_none() -> None:
    class Bare(SocketView):
        async def receive(self, request):
            self.send_json(request.channel_session)

    async with SocketCommunicator(Bare.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)


async def test_it_ends_with_its_connection() -> None:
    class Counter(SocketView):
        @rest_channels(channel_session)
        async def connect(self, request):
            self.send_json(len(request.channel_session))
            request.channel_session["here"] = True

    for _ in range(2):
        async with SocketCommunicator(Counter.as_asgi()) as socket:
            await socket.expect_event(0)
