"""What anonymous clients can write to the log."""

import pytest
from django.db import OperationalError
from django.urls import path

from rest_channels import client_logs
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
