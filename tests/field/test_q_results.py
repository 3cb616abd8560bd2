"""What a handler returns is its answer, or is refused with what to write instead."""

import pytest
from django.http import HttpResponse, JsonResponse
from rest_framework.response import Response

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets.handlers import RoutedSocketHandler


class Notes(AsyncAPIConsumer):
    @action()
    async def made(self, **kwargs):
        return Response({"id": 1}, status=201)

    @action()
    def made_in_a_thread(self, **kwargs):
        return Response({"id": 1}, status=201)

    @action(detached=True)
    async def made_detached(self, **kwargs):
        return Response({"id": 1}, status=201)

    @action()
    async def gone(self, **kwargs):
        return Response(status=204)

    @action()
    async def page(self, **kwargs):
        return HttpResponse("secret")

    @action()
    def json(self, **kwargs):
        return JsonResponse({"text": "secret"})


class OwnReplies(Notes):
    async def reply(self, action, data=None, errors=None, status=200, request_id=None):
        await self.send_json({"action": action, "data": data, "own": status, "id": request_id})


class GenericNotes(GenericAsyncAPIConsumer, Notes):
    pass


@pytest.mark.parametrize("consumer", [Notes, GenericNotes])
@pytest.mark.parametrize("name", ["made", "made_in_a_thread", "made_detached"])
async def test_a_response_of_an_action_is_answered_with_its_data_and_status(name, consumer):
    async with SocketCommunicator(consumer.as_asgi()) as socket:
        await socket.send_json({"action": name, "request_id": 1})
        await socket.expect_reply(1, data={"id": 1}, status=201, errors=[])


async def test_a_response_without_data_is_answered_with_its_status():
    async with SocketCommunicator(Notes.as_asgi()) as socket:
        await socket.send_json({"action": "gone", "request_id": 1})
        await socket.expect_reply(1, data=None, status=204)


@pytest.mark.parametrize("name", ["made", "made_in_a_thread", "made_detached"])
async def test_an_own_reply_method_receives_the_data_and_the_status_of_a_response(name):
    async with SocketCommunicator(OwnReplies.as_asgi()) as socket:
        await socket.send_json({"action": name, "request_id": 1})
        assert await socket.receive_json() == {
            "action": name,
            "data": {"id": 1},
            "own": 201,
            "id": 1,
        }


@pytest.mark.parametrize("consumer", [Notes, OwnReplies])
@pytest.mark.parametrize("name", ["page", "json"])
async def test_a_response_of_django_is_an_error_that_says_what_to_return(name, consumer, caplog):
    async with SocketCommunicator(consumer.as_asgi()) as socket:
        await socket.send_json({"action": name, "request_id": 1})
        answer = await socket.receive_json()
    assert 500 in (answer.get("response_status"), answer.get("own"))
    assert "secret" not in str(answer)
    assert "Return (data, status)" in caplog.text


class Routes(SocketRouteView):
    @socket_route
    async def save(self, request, data):
        return Response({"id": 1}, status=201)

    @socket_route
    def page(self, request, data):
        return HttpResponse("secret")


async def test_a_response_of_a_route_is_answered_with_its_data_and_status():
    async with SocketCommunicator(Routes.as_asgi()) as socket:
        await socket.send_json({"method": "save", "request_id": 1})
        await socket.expect_reply(1, data={"id": 1}, status=201)


async def test_a_response_of_django_in_a_route_is_an_error_that_says_what_to_return(caplog):
    async with SocketCommunicator(Routes.as_asgi()) as socket:
        await socket.send_json({"method": "page", "request_id": 1})
        await socket.expect_reply(1, status=500)
    assert "Return (data, status)" in caplog.text


def returning(value, kind):
    """Return an application whose handler of frames returns `value`."""

    class View(SocketView):
        def receive(self, request):
            return value

    class Text(SocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            return value

    class Json(SocketConsumer):
        async def receive_json(self, content):
            return value

    class Typed(RoutedSocketHandler):
        async def note(self, content):
            return value

        routes = [("note", "note")]

    kinds = {"view": View, "text": Text, "json": Json, "typed": Typed}
    return kinds[kind].as_asgi()


KINDS = [
    "view",
    "text",
    "json",
    pytest.param("typed", marks=pytest.mark.django_db(transaction=True)),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_response_of_another_handler_is_an_error_that_says_what_to_call(kind, caplog):
    async with SocketCommunicator(returning(Response({"id": 1}), kind)) as socket:
        await socket.send_json({"type": "note"})
        assert "server error" in str(await socket.receive_json())
    assert "call self.send_json(" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_data_that_another_handler_returns_is_named_in_the_log(kind, caplog):
    async with SocketCommunicator(returning({"id": 1}, kind)) as socket:
        await socket.send_json({"type": "note"})
        await socket.expect_nothing()
    assert "returned a dict, which is not sent. Call self.send_json" in caplog.text
