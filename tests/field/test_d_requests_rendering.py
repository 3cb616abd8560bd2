"""What a handler returns is rendered in its thread, so it may query when it is rendered."""

import threading

import pytest
from django.contrib.auth.models import User
from django.utils.functional import lazystr
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    SocketConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action, socket_route
from rest_channels.mixins import ListModelMixin
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer.generics import ObserverModelInstanceMixin
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView
from sockets.handlers import RoutedSocketHandler

pytestmark = pytest.mark.django_db(transaction=True)


class LazyName:
    """Queries when it is rendered, as a lazy translation or a related object may."""

    def __iter__(self):
        yield from User.objects.values_list("username", flat=True)


def rows():
    return User.objects.values("username")


def one_by_one():
    for user in User.objects.all():
        yield user.username


LAZY = {
    "queryset": (rows, [{"username": "ada"}]),
    "generator": (one_by_one, ["ada"]),
    "object": (LazyName, ["ada"]),
    "inside": (lambda: {"rows": rows()}, {"rows": [{"username": "ada"}]}),
    "related": (lambda: User.objects.get().groups.values("name"), []),
    "text": (lambda: lazystr(User.objects.get()), "ada"),
}


@pytest.fixture(autouse=True)
async def ada():
    return await User.objects.acreate(username="ada")


@pytest.fixture(params=LAZY)
def lazy(request):
    return LAZY[request.param]


async def data_of(application, frame, key="data", dialect="action"):
    async with SocketCommunicator(application, dialect=dialect) as socket:
        await socket.send_json({"request_id": 1, **frame})
        reply = await socket.receive_json()
        return reply.get(key)


async def test_an_action_returns_data_that_queries(lazy) -> None:
    make, expected = lazy

    class Consumer(AsyncAPIConsumer):
        @action()
        def names(self):
            return make(), 200

        @action(atomic=True)
        def atomic_names(self):
            return make(), 200

    for name in ("names", "atomic_names"):
        assert await data_of(Consumer.as_asgi(), {"action": name}) == expected
    streams = Multiplexer(a=Consumer.as_asgi())
    frame = {"stream": "a", "payload": {"action": "names", "request_id": 1}}
    assert (await data_of(streams, frame, "payload"))["data"] == expected


async def test_a_consumer_with_its_own_reply_returns_data_that_queries(lazy) -> None:
    make, expected = lazy

    class Named(AsyncAPIConsumer):
        @action()
        def names(self):
            return make(), 200

        def reply(self, action, data=None, **kwargs):
            return super().reply(action, data={"own": data}, **kwargs)

    class Sending(AsyncAPIConsumer):
        names = Named.names

        def send_json(self, content, close=False):
            return super().send_json({**content, "data": {"own": content["data"]}}, close)

    for consumer in (Named, Sending):
        found = await data_of(consumer.as_asgi(), {"action": "names"})
        assert found == {"own": expected}


async def test_a_route_of_a_view_returns_data_that_queries(lazy) -> None:
    make, expected = lazy

    class View(SocketRouteView):
        @socket_route
        def names(self, request, data):
            return make()

    assert await data_of(View.as_asgi(), {"method": "names"}, dialect="method") == expected


async def test_a_wrapped_view_answers_with_data_that_queries(lazy) -> None:
    make, expected = lazy

    class View(APIView):
        def get(self, request):
            return Response(make())

    assert await data_of(view_as_consumer(View), {"action": "list"}) == expected


async def test_rendering_happens_in_the_thread_of_the_handler() -> None:
    threads = []

    class Noting:
        def __iter__(self):
            threads.append(threading.current_thread())
            return iter(())

    class Consumer(AsyncAPIConsumer):
        @action()
        def names(self):
            threads.append(threading.current_thread())
            return Noting(), 200

    assert await data_of(Consumer.as_asgi(), {"action": "names"}) == []
    assert threads[0] is threads[1] is not threading.current_thread()


async def test_an_action_that_is_awaited_directly_returns_its_own_objects() -> None:
    class Names(ModelSerializer):
        class Meta:
            model = User
            fields = ("username",)

    class Consumer(ListModelMixin, GenericAsyncAPIConsumer):
        queryset = User.objects.all()
        serializer_class = Names

        @action()
        def names(self):
            return rows(), 200

        @action()
        async def count(self):
            found, _status = await self.names()
            listed, _status = await self.list()
            return [await found.acount(), len(listed)], 200

    assert await data_of(Consumer.as_asgi(), {"action": "count"}) == [1, 1]


@pytest.mark.parametrize("detached", [False, True])
async def test_an_async_action_that_returns_data_that_queries_is_a_clear_error(
    caplog, detached
) -> None:
    class Consumer(AsyncAPIConsumer):
        @action(detached=detached)
        async def names(self):
            return rows(), 200

    assert await data_of(Consumer.as_asgi(), {"action": "names"}, "response_status") == 500
    assert "names returned data that queries the database" in caplog.text


class AsyncReply:
    async def reply(self, action, data=None, **kwargs):
        await super().reply(action, data=data, **kwargs)


class AsyncSendJSON:
    async def send_json(self, content, close=False):
        await super().send_json(content, close)


class AsyncEncodeJSON:
    @classmethod
    async def encode_json(cls, content):
        return super().encode_json(content)


@pytest.mark.parametrize("override", [AsyncReply, AsyncSendJSON, AsyncEncodeJSON])
@pytest.mark.parametrize("make", [rows, one_by_one, LazyName])
async def test_an_async_override_that_sends_data_that_queries_is_a_clear_error(
    caplog, override, make
) -> None:
    class Consumer(override, AsyncAPIConsumer):
        @action()
        def names(self):
            return make(), 200

    assert await data_of(Consumer.as_asgi(), {"action": "names"}, "response_status") == 500
    assert "is encoded on the event loop. Write def, not async def" in caplog.text


async def test_an_async_override_sends_data_that_does_not_query() -> None:
    class Consumer(AsyncReply, AsyncAPIConsumer):
        @action()
        def names(self):
            return {7: (name for name in ("ada", "bob"))}, 200

    assert await data_of(Consumer.as_asgi(), {"action": "names"}) == {"7": ["ada", "bob"]}


async def test_an_async_route_that_returns_data_that_queries_is_a_clear_error(caplog) -> None:
    class View(SocketRouteView):
        @socket_route
        async def names(self, request, data):
            return rows()

    frame = {"method": "names"}
    assert await data_of(View.as_asgi(), frame, "status", dialect="method") == 500
    assert "names returned data that queries the database" in caplog.text


async def test_a_def_handler_of_any_class_sends_data_that_queries(lazy) -> None:
    make, expected = lazy

    class Consumer(SocketConsumer):
        def receive_json(self, content):
            self.send_json({"data": make()})

    class Handler(RoutedSocketHandler):
        routes = (("NAMES", "on_names"),)

        def on_names(self, content):
            self.send_action("NAMES", data=make())

    assert await data_of(Consumer.as_asgi(), {}) == expected
    assert await data_of(Handler.as_asgi(), {"type": "NAMES"}, dialect="type") == expected


async def test_an_observed_row_is_sent_with_a_retrieve_that_returns_data_that_queries(
    ada, lazy
) -> None:
    make, expected = lazy

    class Consumer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = User.objects.all()

        @action()
        def retrieve(self, **kwargs):
            return make(), 200

    class Own(Consumer):
        async def handle_observed_action(self, action, group=None, **kwargs):
            await super().handle_observed_action(action, group, **kwargs)

    for consumer in (Consumer, Own):
        async with SocketCommunicator(consumer.as_asgi()) as socket:
            frame = {"action": "subscribe_instance", "request_id": 7, "pk": ada.pk}
            await socket.send_json(frame)
            assert (await socket.receive_json())["response_status"] == 201
            await ada.asave()
            assert (await socket.receive_json())["data"] == expected
