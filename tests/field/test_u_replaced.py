"""What a test replaces in the library, in its settings or in a view has its effect."""

from unittest import mock

import pytest
from rest_framework.permissions import IsAuthenticated

from rest_channels.decorators import socket_route
from rest_channels.parsers import JSONParser
from rest_channels.renderers import JSONRenderer
from rest_channels.request import SocketRequest
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Echo(SocketRouteView):
    @socket_route
    async def echo(self, request, data):
        return data


@pytest.fixture
async def socket():
    async with SocketCommunicator(Echo.as_asgi()) as socket:
        yield socket


async def answer(socket, data=1):
    await socket.send_json({"method": "echo", "data": data})
    return await socket.receive_json()


async def test_a_replaced_method_of_the_default_parser_reads_frames(socket) -> None:
    frame = {"method": "echo", "data": "read otherwise"}
    with mock.patch.object(JSONParser, "parse", return_value=frame):
        assert (await answer(socket))["data"] == "read otherwise"
    assert (await answer(socket))["data"] == 1


async def test_a_replaced_method_of_the_default_renderer_makes_frames(socket) -> None:
    with mock.patch.object(JSONRenderer, "render", return_value='"made otherwise"'):
        assert await answer(socket) == "made otherwise"
    assert (await answer(socket))["data"] == 1


async def test_a_value_that_a_test_gives_a_setting_guards_frames(socket, monkeypatch) -> None:
    assert (await answer(socket))["status"] == 200
    with monkeypatch.context() as patch:
        patch.setattr(api_settings, "DEFAULT_PERMISSION_CLASSES", [IsAuthenticated])
        assert (await answer(socket))["status"] == 401
    assert (await answer(socket))["status"] == 200


def test_a_unit_test_may_give_a_view_a_connection_beside_its_request() -> None:
    view, other = SocketView(), mock.Mock()
    view.request = SocketRequest(view.connection, "receive")
    view.connection = other
    assert view.connection is other
