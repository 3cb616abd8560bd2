"""What anonymous clients can write to the log."""

import pytest
from django.db import OperationalError
from django.test import override_settings
from django.urls import path
from django.views import View
from rest_framework.exceptions import PermissionDenied

from rest_channels import client_logs
from rest_channels.consumers import AsyncAPIConsumer, view_as_consumer
from rest_channels.decorators import action, detached
from rest_channels.engine.socket_limits import SocketCounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


async def knock(application, where="/", headers=()):
    socket = SocketCommunicator(application, where, headers=headers)
    await socket.connect()
    await socket.disconnect()


@pytest.mark.parametrize("headers", [[], [("origin", "https://evil.example")]])
@pytest.mark.parametrize("character", ["a", "\u00fc", "\n"])
async def test_a_handshake_with_a_long_path_writes_a_short_line(headers, character, caplog) -> None:
    await knock(SocketApplication([]), "/" + 8000 * character, headers)
    assert 0 < len(caplog.text.encode()) < 1500
    assert len(caplog.text.splitlines()) == 1


async def test_many_handshakes_write_few_lines_and_then_how_many_were_left_out(
    caplog, monkeypatch
) -> None:
    monkeypatch.setattr(client_logs, "BURST", 3)
    for number in range(10):
        await knock(SocketApplication([]), f"/{number}")
    assert len(caplog.records) == 3
    monkeypatch.setattr(client_logs, "PERIOD", -1)
    await knock(SocketApplication([]))
    assert caplog.messages[-1] == "No route for '/'. (7 such lines were left out.)"


async def test_an_outage_of_the_database_writes_few_tracebacks(caplog, monkeypatch) -> None:
    async def broken(scope):
        raise OperationalError("the database is away")

    monkeypatch.setattr("rest_channels.routing.application.with_identity", broken)
    for _ in range(3 * client_logs.BURST):
        await knock(SocketApplication([path("", SocketView.as_asgi())]))
    assert len(caplog.records) == client_logs.BURST


async def test_frames_that_fail_write_few_tracebacks_of_each_fault(caplog, monkeypatch) -> None:
    monkeypatch.setattr(client_logs, "BURST", 2)

    class Failing(SocketView):
        async def receive(self, request):
            if request.data == 1:
                raise OSError(1)
            raise OSError(2)

    async with SocketCommunicator(Failing.as_asgi()) as socket:
        for number in [1, 2] * 5:
            await socket.send_json(number)
            await socket.receive_json()
    assert [record.exc_info[1].args for record in caplog.records] == [(1,), (2,)] * 2


async def test_a_path_cannot_forge_a_line(caplog) -> None:
    class Failing(SocketView):
        async def connect(self, request):
            raise OSError

    await knock(SocketApplication([path("<path:p>", Failing.as_asgi())]), "/a\r\nERROR forged")
    assert "\nERROR forged" not in caplog.text


MANY = 3 * client_logs.BURST


class Careless(AsyncAPIConsumer):
    """Actions with faults, which a client calls again and again."""

    @action()
    async def start(self, **kwargs):
        await self.work()

    @detached
    async def work(self):
        raise OSError

    @action()
    async def wrong(self, **kwargs):
        return "x" * 10_000


@pytest.mark.parametrize(("name", "line"), [("start", "failed"), ("wrong", "is not sent")])
async def test_an_action_that_is_called_again_and_again_writes_few_lines(
    name, line, caplog, settle
) -> None:
    async with SocketCommunicator(Careless.as_asgi(), dialect="action") as socket:
        for _ in range(MANY):
            await socket.send_json({"action": name})
        await settle(lambda: len(caplog.records) >= client_logs.BURST)
        await socket.send_json({"action": "unknown"})
        await socket.receive_json()
    assert len(caplog.records) == client_logs.BURST
    assert all(line in message and len(message) < 300 for message in caplog.messages)


@pytest.mark.parametrize(
    "origin", ["https://evil.example/" + 8000 * "a", "https://\r\nERROR forged"]
)
async def test_frames_of_a_foreign_page_write_few_and_short_lines(origin, caplog) -> None:
    class Page(View):
        def get(self, request):
            return None

    application = view_as_consumer(Page.as_view(), {"list": "GET"})
    headers = [("origin", origin), ("host", "testserver")]
    async with SocketCommunicator(application, dialect="action", headers=headers) as socket:
        for _ in range(MANY):
            await socket.expect_reply(await socket.call("list"), response_status=403)
    refused = [each for each in caplog.messages if "origin" in each]
    assert len(refused) == client_logs.BURST
    assert all(len(each) < 700 and len(each.splitlines()) == 1 for each in refused)


async def test_a_refusal_with_a_long_reason_writes_a_short_line(caplog) -> None:
    class Refuses(SocketView):
        async def connect(self, request):
            raise PermissionDenied(request.query_params["why"])

    await knock(SocketApplication([path("", Refuses.as_asgi())]), "/?why=" + 8000 * "a")
    assert 0 < len(caplog.text) < 700


@override_settings(REST_CHANNELS={"MAX_SOCKETS_PER_ADDRESS": 1})
def test_a_client_at_its_limit_that_closes_a_socket_and_opens_two_writes_few_lines(caplog) -> None:
    counts = SocketCounts()
    for number in range(MANY):
        assert counts.count(number, {"client": ["192.0.2.1", 1]}) is None
        assert counts.count(-1 - number, {"client": ["192.0.2.1", 1]}) is not None
        counts.release(number)
    assert len(caplog.records) == client_logs.BURST
