"""A view answers in the dialect that it was given, and answers each frame even where that fails."""

import pytest
from django.test import override_settings
from django.urls import path

from rest_channels.decorators import socket_route
from rest_channels.protocol.dialects import ActionDialect, MethodDialect, TypeDialect
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Desk(SocketRouteView):
    @socket_route
    async def look(self, request, data):
        return {"seen": True}

    @socket_route
    async def fail(self, request, data):
        raise ValueError("secret")


class Enveloped(MethodDialect):
    def build_reply(self, reply):
        return {"envelope": super().build_reply(reply)}


class Failing(MethodDialect):
    def build_reply(self, reply):
        raise RuntimeError("secret")


class Unsendable(MethodDialect):
    def build_reply(self, reply):
        return {"status": object()}


@pytest.mark.parametrize("dialect", [ActionDialect(), TypeDialect()])
async def test_a_view_of_methods_answers_in_each_dialect(dialect) -> None:
    name = dialect.key
    async with SocketCommunicator(Desk.as_asgi(dialect=dialect), dialect=name) as socket:
        answer = await socket.expect_reply(await socket.call("look"), status=200)
        assert answer.get("data", answer)["seen"] is True


async def test_a_dialect_that_replaces_how_replies_are_built_builds_all_of_them() -> None:
    async with SocketCommunicator(Desk.as_asgi(dialect=Enveloped())) as socket:
        for name, status in {"look": 200, "fail": 500, "unknown": 400}.items():
            await socket.call(name)
            assert (await socket.receive_json())["envelope"]["status"] == status


@pytest.mark.parametrize("dialect", [Failing(), Unsendable()])
async def test_a_frame_is_answered_with_500_where_its_dialect_cannot_build_the_answer(
    dialect,
) -> None:
    async with SocketCommunicator(Desk.as_asgi(dialect=dialect)) as socket:
        for name in ("look", "fail", "unknown"):
            await socket.call(name)
            text = await socket.receive_from()
            assert '"status":500' in text
            assert "secret" not in text


@pytest.mark.parametrize("dialect", [Failing(), Unsendable()])
async def test_a_client_learns_why_connect_failed_where_its_dialect_cannot_tell_it(dialect) -> None:
    class Closed(SocketView):
        async def connect(self, request):
            raise ValueError("secret")

    async with SocketCommunicator(Closed.as_asgi(dialect=dialect)) as socket:
        assert (await socket.receive_json())["status"] == 500
        await socket.expect_close(4500)


@override_settings(REST_CHANNELS={"MAX_SOCKETS": 0})
@pytest.mark.parametrize("dialect", [Failing(), Unsendable()])
@pytest.mark.parametrize("in_site", [False, True])
async def test_a_refused_client_is_told_so_where_its_dialect_cannot_tell_it(
    dialect, in_site
) -> None:
    application = Desk.as_asgi(dialect=dialect)
    site = SocketApplication([path("", application)]) if in_site else application
    async with SocketCommunicator(site) as socket:
        assert (await socket.receive_json())["status"] == 429
        await socket.expect_close(4529)


@pytest.mark.parametrize("missing", ["parse_call", "handler_not_found", "build_reply"])
def test_a_dialect_without_one_of_its_methods_is_refused(missing) -> None:
    names = {"parse_call", "handler_not_found", "build_reply"} - {missing}
    dialect = type("Partial", (), {name: lambda *args: None for name in names})()
    with pytest.raises(TypeError, match=f"is no dialect.*{missing}"):
        Desk.as_asgi(dialect=dialect)


@pytest.mark.parametrize("base", [ActionDialect, TypeDialect])
@pytest.mark.parametrize("frame", [{"command": "fly"}, {"command": "fly", "arguments": {}}, {}])
async def test_a_dialect_with_other_keys_answers_405_to_an_unknown_name(base, frame) -> None:
    class Commands(base):
        key, data_key = "command", "arguments"

    async with SocketCommunicator(Desk.as_asgi(dialect=Commands())) as socket:
        await socket.send_json(frame)
        answer = await socket.receive_json()
        assert answer.get("response_status", 405) == 405
        assert ("fly" in str(answer["errors"])) is bool(frame)
