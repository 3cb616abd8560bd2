"""A handshake that needs no event has the same outcome as one that is handled as an event."""

import asyncio
from unittest import mock

import pytest
from django.test import override_settings
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Counted(BasePermission):
    """A permission that has an `__init__`, as one that takes options has."""

    made = 0

    def __init__(self):
        type(self).made += 1


class Refusing(BasePermission):
    def __init__(self):
        raise PermissionDenied("Not today.")


class Broken(BasePermission):
    def __init__(self):
        raise ValueError("a mistake in the project")


class Desk(AsyncAPIConsumer):
    pass


class Board(SocketView):
    pass


async def connect(cls):
    """Return whether the client was let in, and the error frame that it has received."""
    socket = SocketCommunicator(cls.as_asgi())
    accepted, _code = await socket.connect()
    frame = await socket.receive_json() if accepted else None
    await socket.disconnect()
    return accepted, frame


async def test_a_permission_whose_init_refuses_is_a_refusal_of_the_handshake(
    monkeypatch, caplog
) -> None:
    monkeypatch.setattr(Desk, "permission_classes", [Refusing])
    assert await connect(Desk) == (False, None)
    [line] = caplog.messages
    assert line.startswith("Desk refused the client")
    assert line.endswith("Not today.")


async def test_a_permission_that_cannot_be_made_is_logged(monkeypatch, caplog) -> None:
    monkeypatch.setattr(Desk, "permission_classes", [Broken])
    assert await connect(Desk) == (False, None)
    [record] = caplog.records
    assert (record.name, "a mistake in the project" in caplog.text) == ("rest_channels", True)


async def test_a_handshake_makes_each_permission_once(monkeypatch) -> None:
    monkeypatch.setattr(Desk, "permission_classes", [Counted])
    monkeypatch.setattr(Counted, "made", 0)
    async with SocketCommunicator(Desk.as_asgi()):
        assert Counted.made == 1


@override_settings(REST_CHANNELS={"DEFAULT_PERMISSION_CLASSES": ["nowhere.Nothing"]})
async def test_a_setting_that_names_nothing_is_answered_and_logged(caplog) -> None:
    accepted, frame = await connect(Board)
    assert (accepted, frame["status"]) == (True, 500)
    assert await connect(Desk) == (False, None)
    assert {record.name for record in caplog.records} == {"rest_channels"}
    assert caplog.text.count("No module named 'nowhere'") >= 2


@pytest.mark.parametrize("owner", [AsyncAPIConsumer, SocketConsumer])
@pytest.mark.parametrize("name", ["connect", "websocket_connect", "accept"])
async def test_what_a_test_puts_in_a_base_class_is_called_on_connecting(owner, name) -> None:
    with mock.patch.object(owner, name, autospec=True) as method:
        async with SocketCommunicator(Desk.as_asgi()):
            assert method.call_count == 1


async def test_hooks_that_an_override_of_the_handshake_replaces_are_called() -> None:
    class Replacing(AsyncAPIConsumer):
        async def websocket_connect(self, message):
            self.get_permissions = mock.AsyncMock(side_effect=PermissionDenied)
            await super().websocket_connect(message)

    assert await connect(Replacing) == (False, None)


@pytest.mark.parametrize("name", ["get_permissions", "get_authenticators"])
async def test_a_hook_that_a_test_puts_in_the_base_class_is_called(name) -> None:
    with mock.patch.object(AsyncAPIConsumer, name, side_effect=PermissionDenied):
        assert await connect(Desk) == (False, None)


async def test_a_message_that_waits_is_not_sent_after_an_accept_that_the_server_refuses() -> None:
    class Greeting(SocketConsumer):
        groups = ["lobby"]

        async def connect(self):
            Group("lobby").send({"text": "hello"})

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "websocket.accept":
            raise TypeError("The server takes no such header.")
        received.put_nowait({"type": "websocket.disconnect"})

    sent, received = [], asyncio.Queue()
    received.put_nowait({"type": "websocket.connect"})
    scope = {"type": "websocket", "path": "/", "headers": []}
    await Greeting.as_asgi()(scope, received.get, send)
    assert sent == ["websocket.accept", "websocket.close"]
