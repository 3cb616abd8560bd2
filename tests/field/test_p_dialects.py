"""A dialect of one's own needs the methods that its view calls, and no others."""

import pytest

from rest_channels.decorators import socket_route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Answers:
    def build_reply(self, reply):
        return {"failed": reply.status}


class Calls(Answers):
    def parse_call(self, content):
        raise NotImplementedError


class Room(SocketView):
    async def receive(self, request):
        raise ValueError


class Desk(SocketRouteView):
    @socket_route
    async def look(self, request, data):
        return {"seen": True}


class RoomWithDialect(Room):
    dialect = Answers()


@pytest.mark.parametrize("view", [RoomWithDialect.as_asgi(), Room.as_asgi(dialect=Answers())])
async def test_a_view_that_reads_frames_itself_needs_only_how_an_answer_is_built(view) -> None:
    async with SocketCommunicator(view) as socket:
        await socket.send_json({})
        assert await socket.receive_json() == {"failed": 500}


@pytest.mark.parametrize(
    ("dialect", "missing"), [(Answers(), "parse_call"), (Calls(), "handler_not_found")]
)
def test_a_view_whose_frames_name_methods_also_needs_how_a_frame_is_read(dialect, missing) -> None:
    with pytest.raises(TypeError, match=rf"^Named.dialect = .* no {missing}\(\)\.$"):
        type("Named", (Desk,), {"dialect": dialect})
    with pytest.raises(TypeError, match=rf"^Desk.as_asgi\(\): dialect = .* no {missing}\(\)\.$"):
        Desk.as_asgi(dialect=dialect)


def test_a_dialect_that_a_base_declares_for_views_without_names_is_refused_for_one_with_names() -> (
    None
):
    with pytest.raises(TypeError, match=r"^RoomWithDialect.dialect = .* it has no parse_call\(\)"):
        type("Named", (RoomWithDialect, Desk), {})


def test_a_dialect_that_builds_no_answer_is_refused_for_every_view() -> None:
    with pytest.raises(TypeError, match=r"is no dialect.* it has no build_reply\(\)"):
        Room.as_asgi(dialect=object())
