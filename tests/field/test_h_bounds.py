"""Limits for one client: sockets per user and per address, bytes per second."""

import asyncio

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import BaseAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine.inbox import Inbox
from rest_channels.engine.publish import current_hub
from rest_channels.exceptions import CloseCode
from rest_channels.multiplexer import Multiplexer
from rest_channels.routing import SocketApplication
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter


class Echo(SocketView):
    async def receive(self, request):
        self.send_json(request.data)


class Plain(SocketConsumer):
    async def receive_json(self, content):
        self.send_json(content)


class Methods(SocketRouteView):
    pass


class NamedUser(BaseAuthentication):
    def authenticate(self, request):
        word = request.headers.get("authorization", "").removeprefix("Bearer ")
        return (User(pk=int(word), username=word), word) if word else None

    def authenticate_header(self, request):
        return "Bearer"


class Actions(AsyncAPIConsumer):
    authentication_classes = [NamedUser]

    @action()
    async def whoami(self, **kwargs):
        return {"user": self.scope["user"].pk}, 200


def client(application, address="203.0.113.7", **options) -> SocketCommunicator:
    socket = SocketCommunicator(application, **options)
    socket.scope["client"] = None if address is None else (address, 50_000)
    return socket


async def is_served(application, address="203.0.113.7", **options) -> bool:
    """Whether a client that leaves at once would be served."""
    async with client(application, address, **options) as socket:
        await socket.send_json({"request_id": 1})
        message = await socket._next("an answer")
        return message["type"] == "websocket.send" and '"retry_after"' not in message["text"]


def counts() -> tuple[int, dict[str, int]]:
    return current_hub().sockets.total, current_hub().sockets.by_address


def limits(**settings):
    return override_settings(REST_CHANNELS=settings)


def mounted(application) -> SocketApplication:
    return SocketApplication([path("", application.as_asgi())])


APPLICATIONS = {
    "view": Echo.as_asgi(),
    "methods": Methods.as_asgi(),
    "consumer": Plain.as_asgi(),
    "actions": Actions.as_asgi(),
    "multiplexer": Multiplexer(one=Plain.as_asgi(), two=Actions.as_asgi()),
    "site": mounted(Echo),
}
everywhere = pytest.mark.parametrize("name", APPLICATIONS)


@everywhere
async def test_a_socket_above_the_limit_of_its_address_gets_an_error_frame_and_4429(name) -> None:
    application = APPLICATIONS[name]
    with limits(MAX_SOCKETS_PER_ADDRESS=2):
        async with client(application), client(application) as second:
            async with client(application) as third:
                assert "retry_after" in await third.receive_from()
                await third.expect_close(4429)
            assert await is_served(application, "203.0.113.8")
            await second.disconnect()
            assert await is_served(application)
    assert counts() == (0, {})


async def test_a_refused_address_costs_no_query(monkeypatch) -> None:
    def refuse(scope):
        raise AssertionError("The session was read.")

    monkeypatch.setattr("rest_channels.routing.application.with_identity", refuse)
    with limits(MAX_SOCKETS_PER_ADDRESS=0):
        async with client(APPLICATIONS["site"]) as socket:
            frame = await socket.receive_json()
            assert (frame["status"], frame["retry_after"]) == (429, 30)
            await socket.expect_close(4429)


async def test_a_refusal_is_written_in_the_dialect_of_the_class() -> None:
    router = SocketRouter()
    with limits(MAX_SOCKETS_PER_ADDRESS=0):
        async with client(mounted(Methods)) as socket:
            frame = await socket.receive_json()
            assert (frame["method"], frame["status"]) == (None, 429)
        async with client(mounted(Actions)) as socket:
            frame = await socket.receive_json()
            assert (frame["response_status"], frame["errors"][0]["retry_after"]) == (429, 30)
        async with client(mounted(router)) as socket:
            assert (await socket.receive_json())["type"] == "ERROR"
        async with client(APPLICATIONS["multiplexer"]) as socket:
            frame = await socket.receive_json()
            assert (frame["stream"], frame["payload"]["response_status"]) == (None, 429)


async def test_addresses_of_one_ipv6_network_count_as_one_client() -> None:
    with limits(MAX_SOCKETS_PER_ADDRESS=1):
        async with client(Echo.as_asgi(), "2001:db8::1"):
            assert not await is_served(Echo.as_asgi(), "2001:db8::ffff:2")
            assert await is_served(Echo.as_asgi(), "2001:db8:0:1::1")
        async with client(Echo.as_asgi(), "::ffff:203.0.113.7"):
            assert not await is_served(Echo.as_asgi(), "203.0.113.7")


async def test_clients_without_an_address_are_not_counted_together() -> None:
    with limits(MAX_SOCKETS_PER_ADDRESS=1):
        async with client(Echo.as_asgi(), None):
            assert await is_served(Echo.as_asgi(), None)


async def test_the_address_that_a_trusted_proxy_reports_is_counted() -> None:
    settings = {"MAX_SOCKETS_PER_ADDRESS": 1, "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    one, other = ([("x-forwarded-for", f"203.0.113.{last}")] for last in (1, 2))
    site = APPLICATIONS["site"]
    with limits(**settings):
        async with client(site, "10.0.0.1", headers=one):
            assert await is_served(site, "10.0.0.1", headers=other)
            assert not await is_served(site, "10.0.0.2", headers=one)


async def test_the_process_has_a_limit_of_its_own_which_closes_with_4529() -> None:
    with limits(MAX_SOCKETS=1):
        async with client(Echo.as_asgi()), client(Echo.as_asgi(), "203.0.113.9") as second:
            await second.expect_close(4529)


@everywhere
async def test_none_switches_each_limit_off(name) -> None:
    off = dict.fromkeys(["MAX_SOCKETS", "MAX_SOCKETS_PER_ADDRESS", "MAX_SOCKETS_PER_USER"])
    with limits(**off, BYTE_RATE=None):
        async with client(APPLICATIONS[name], user=User(pk=5)):
            assert await is_served(APPLICATIONS[name], user=User(pk=5))


@everywhere
async def test_a_socket_above_the_limit_of_its_user_gets_an_error_frame_and_4429(name) -> None:
    class SessionActions(Actions):
        authentication_classes = []

    own = {"actions": SessionActions.as_asgi(), "multiplexer": Multiplexer(one=Plain.as_asgi())}
    application = own.get(name, APPLICATIONS[name])
    with limits(MAX_SOCKETS_PER_USER=2):
        async with (
            client(application, user=User(pk=5)) as first,
            client(application, user=User(pk=5)),
        ):
            async with client(application, "203.0.113.8", user=User(pk=5)) as third:
                assert "retry_after" in await third.receive_from()
                await third.expect_close(4429)
            assert await is_served(application, user=User(pk=6))
            assert await is_served(application, user=AnonymousUser())
            await first.disconnect()
            assert await is_served(application, user=User(pk=5))


async def test_a_refused_socket_runs_no_code_of_the_class() -> None:
    called = []

    class Watched(SocketConsumer):
        async def connect(self):
            called.append("connect")

        async def disconnect(self, code):
            called.append("disconnect")

    with limits(MAX_SOCKETS_PER_USER=0):
        async with client(Watched.as_asgi(), user=User(pk=5)) as socket:
            await socket.send_json(1)
            await socket.expect_close(4429)
    assert called == []


async def test_a_user_who_authenticates_by_frame_is_counted_from_then_on() -> None:
    with limits(MAX_SOCKETS_PER_USER=1):
        async with client(Actions.as_asgi()) as first, client(Actions.as_asgi()) as second:
            await first.send_json({"action": "authenticate", "token": "5", "request_id": 1})
            await first.expect_reply(1, response_status=200)
            await second.send_json({"action": "authenticate", "token": "5", "request_id": 1})
            await second.expect_close(4429)
            await first.send_json({"action": "authenticate", "token": "5", "request_id": 2})
            await first.expect_reply(2, response_status=200)


async def test_a_user_whose_token_came_with_the_handshake_is_counted() -> None:
    token = [("authorization", "Bearer 5")]
    with limits(MAX_SOCKETS_PER_USER=1):
        async with client(Actions.as_asgi(), headers=token) as first:
            async with client(Actions.as_asgi(), headers=token) as second:
                await second.expect_close(4429)
            await first.send_json({"action": "whoami", "request_id": 1})
            await first.expect_reply(1, data={"user": 5})


async def test_the_streams_of_one_socket_count_once() -> None:
    streams = Multiplexer(one=Plain.as_asgi(), two=Plain.as_asgi(), three=Plain.as_asgi())
    with limits(MAX_SOCKETS_PER_ADDRESS=1, MAX_SOCKETS_PER_USER=1):
        async with client(streams, user=User(pk=5)) as socket:
            for name in ("one", "two", "three"):
                await socket.send_json({"stream": name, "payload": {"hello": name}})
                await socket.expect_event({"stream": name, "payload": {"hello": name}})


async def test_a_socket_is_no_longer_counted_however_it_ends() -> None:
    class Failing(SocketConsumer):
        async def connect(self):
            raise ValueError

    class Refusing(SocketConsumer):
        async def connect(self):
            self.close(4403)

    async def cancelled(application):
        socket = client(application)
        await socket.connect()
        task, socket._task = socket._task, None
        task.cancel()
        await asyncio.wait({task})

    with limits(MAX_SOCKETS_PER_ADDRESS=1):
        for application in (mounted(Failing), Failing.as_asgi()):
            async with client(application) as socket:
                await socket.expect_close(CloseCode.CONNECT_FAILED)
        for application in (mounted(Refusing), Refusing.as_asgi()):
            socket = client(application)
            assert await socket.connect() == (False, 4403)
            await socket.disconnect()
        for application in (mounted(Echo), Echo.as_asgi(), APPLICATIONS["multiplexer"]):
            await cancelled(application)
        assert await is_served(Echo.as_asgi())
    assert counts() == (0, {})


async def test_a_handshake_whose_session_cannot_be_read_is_no_longer_counted(monkeypatch) -> None:
    async def fail(scope):
        raise OSError

    monkeypatch.setattr("rest_channels.routing.application.with_identity", fail)
    async with client(APPLICATIONS["site"]) as socket:
        await socket.expect_close(4500)
    assert counts() == (0, {})


async def test_a_refused_address_is_logged_once_until_it_has_room_again(caplog) -> None:
    with limits(MAX_SOCKETS_PER_ADDRESS=1):
        for _round in range(2):
            async with client(Echo.as_asgi()):
                for _attempt in range(3):
                    assert not await is_served(Echo.as_asgi())
    lines = [record.getMessage() for record in caplog.records if "203.0.113.7" in record.message]
    assert len(lines) == 2
    assert "TRUSTED_PROXIES" in lines[0]


class Reader:
    """ASGI's `receive` of a client that sends frames for ever, and its `send`."""

    def __init__(self, text: str, *, waits: bool) -> None:
        self.text, self.waits = text, waits
        self.received = 0
        self.code = None
        self.ended = asyncio.Event()

    async def receive(self):
        if self.waits:  # for its transport, as a server does that stopped reading
            await asyncio.sleep(0)
        if self.ended.is_set():
            return {"type": "websocket.disconnect", "code": 1000}
        self.received += 1
        if self.received == 1:
            return {"type": "websocket.connect"}
        return {"type": "websocket.receive", "text": self.text}

    async def send(self, message) -> None:
        if message["type"] == "websocket.close":
            self.code = message["code"]
            self.ended.set()


async def test_a_client_that_sends_too_many_bytes_is_read_more_slowly(monkeypatch) -> None:
    pauses = []

    async def sleep(seconds, *, real=asyncio.sleep):
        if seconds:
            pauses.append(seconds)
            if len(pauses) == 5:
                reader.ended.set()
        await real(0)

    now = 1_000.0
    monkeypatch.setattr("rest_channels.engine.inbox.time.monotonic", lambda: now + sum(pauses))
    reader = Reader('"' + "x" * 998 + '"', waits=True)
    with limits(BYTE_RATE=100.0, BYTE_BURST=3_000, FRAME_RATE=None):
        monkeypatch.setattr("rest_channels.engine.inbox.asyncio.sleep", sleep)
        await Echo.as_asgi()(client(None).scope, reader.receive, reader.send)
    assert pauses == pytest.approx([10.0] * 5)
    assert reader.received == 1 + 3 + 5
    assert reader.code is None


async def test_a_client_whose_server_reads_on_while_it_is_slowed_down_is_closed() -> None:
    reader = Reader('"' + "x" * 998 + '"', waits=False)
    with limits(BYTE_RATE=1e6, BYTE_BURST=3_000, INBOX_BYTES=10_000, FRAME_RATE=None):
        await Echo.as_asgi()(client(None).scope, reader.receive, reader.send)
    assert reader.code == 4429
    assert 1 + 3 + 10 <= reader.received <= 1 + 3 + 20


async def test_unused_bytes_are_not_saved_above_the_burst(monkeypatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("rest_channels.engine.inbox.time.monotonic", lambda: now[0])
    with limits(BYTE_RATE=1_000.0, BYTE_BURST=1_000):
        inbox = Inbox()
        for _second in range(5):
            inbox.admit({"text": "x" * 1_000})
            assert not inbox.pause
            now[0] += 1.0
        now[0] += 100.0
        inbox.admit({"text": "x" * 1_000})
        assert not inbox.pause
        inbox.admit({"text": "x" * 500})
        assert inbox.pause == 0.5


async def test_a_slowed_down_client_loses_nothing() -> None:
    text = "x" * 1_000
    with limits(BYTE_RATE=100_000.0, BYTE_BURST=2_000):
        async with client(Echo.as_asgi()) as socket:
            for number in range(20):
                await socket.send_json([number, text])
            for number in range(20):
                await socket.expect_event([number, text])


async def test_without_a_byte_rate_only_frames_count() -> None:
    with limits(BYTE_RATE=None, BYTE_BURST=10):
        async with client(Echo.as_asgi()) as socket:
            for _frame in range(5):
                await socket.send_json("x" * 900)
                await socket.expect_event("x" * 900)


@pytest.mark.parametrize("name", ["INBOX_BYTES", "BYTE_BURST"])
def test_a_limit_that_no_large_frame_can_keep_is_a_system_check(name) -> None:
    with limits(MAX_FRAME_SIZE=2_000, **{name: 1_000}):
        (message,) = [one for one in run_checks() if one.id == "rest_channels.W013"]
        assert name in message.msg
    off = {} if name == "INBOX_BYTES" else {"BYTE_RATE": None, name: 1_000}
    with limits(**off):
        assert not [one for one in run_checks() if one.id == "rest_channels.W013"]


def test_all_limits_are_on_by_default_except_that_of_the_process() -> None:
    assert api_settings.MAX_SOCKETS is None
    assert api_settings.MAX_SOCKETS_PER_ADDRESS == 500
    assert api_settings.MAX_SOCKETS_PER_USER == 100
    assert api_settings.BYTE_RATE == 1_048_576.0
    assert api_settings.BYTE_BURST == 4_194_304
