"""A request has one answer, also where its deadline passes while a thread answers it."""

import asyncio
from contextlib import suppress

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import override_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError

from rest_channels.concurrency.threads import thread_pool
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.django_views import DjangoViewAsConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from tests.field.clients import StalledClient

TEXT = "x" * 100


class Answers(AsyncAPIConsumer):
    @action()
    def look(self):
        return TEXT, 200

    @action()
    async def look_async(self):
        return TEXT, 200

    @action()
    def refuse(self):
        raise ValidationError(TEXT)


class DefReply(Answers):
    def reply(self, action, **kwargs):
        return super().reply(action, **kwargs)


class AsyncReply(Answers):
    async def reply(self, action, **kwargs):
        await super().reply(action, **kwargs)


class OwnAnswers(Answers):
    def reply(self, action, data=None, errors=None, status=200, request_id=None):
        answer = {"data": data, "response_status": status, "request_id": request_id}
        self.send_json({**answer, "errors": errors})


class DefHandler(OwnAnswers):
    def handle_exception(self, exc, action, request_id):
        self.reply(action, errors=exc.detail, status=400, request_id=request_id)


class AsyncHandler(Answers):
    async def handle_exception(self, exc, action, request_id):
        answer = {"errors": exc.detail, "response_status": 400, "request_id": request_id}
        await self.send_json(answer)


class Tokens(Answers):
    class Anything(BaseAuthentication):
        def authenticate(self, request):
            return None

    authentication_classes = [Anything]


class View(DjangoViewAsConsumer):
    @staticmethod
    async def view(request):
        return HttpResponse(TEXT, status=200 if request.method == "GET" else 400)


class Desk(SocketRouteView):
    def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)

    @socket_route
    async def look(self, request, data):
        return TEXT

    @socket_route
    def refuse(self, request, data):
        raise ValidationError(TEXT)


def same(base):
    """Return `base`, which reads frames in the usual way."""
    return base


def awaiting(base):
    """Return `base` with a `receive_json` of its own."""

    async def receive_json(self, content):
        await self.handle_action(content["action"], content["request_id"])

    return type(f"Awaiting{base.__name__}", (base,), {"receive_json": receive_json})


def in_thread(base):
    """Return `base` with a `receive_json` that runs actions from a thread."""

    def receive_json(self, content):
        async_to_sync(self.handle_action)(content["action"], content["request_id"])

    return type(f"Sync{base.__name__}", (base,), {"receive_json": receive_json})


OWN_WAYS = {
    DefReply: "look",
    AsyncReply: "look",
    OwnAnswers: "look",
    DefHandler: "refuse",
    AsyncHandler: "refuse",
}
CASES = [
    *(
        (owner(base), name)
        for base, name in OWN_WAYS.items()
        for owner in (same, awaiting, in_thread)
    ),
    *((in_thread(Answers), name) for name in ("look", "look_async", "refuse")),
    *((in_thread(View), name) for name in ("list", "create")),
    (in_thread(Tokens), "authenticate"),
    *((Desk, name) for name in ("look", "refuse")),
]
STATUSES = {"authenticate": 401, "create": 400, "refuse": 400}


async def pass_deadline(connection):
    """Let the deadline of the running call pass now."""
    connection.call_queue._deadline = 0.0
    connection.call_queue._check_deadline()
    await asyncio.sleep(0.01)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200})
@pytest.mark.parametrize(
    ("owner", "name"), CASES, ids=[f"{owner.__name__}-{name}" for owner, name in CASES]
)
async def test_an_answer_that_waits_for_its_client_beyond_the_deadline_is_the_only_one(
    owner, name, settle
) -> None:
    async with StalledClient(owner.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        connection.send(text=f'"{"x" * 180}"')  # it fills the outbox
        await socket.send_json({"method" if owner is Desk else "action": name, "request_id": 1})
        await settle(lambda: connection.outbox.items)
        await pass_deadline(connection)
        socket.read()
        await socket.expect_event("x" * 180)
        await socket.expect_reply(1, status=STATUSES.get(name, 200))
        await socket.expect_nothing()


def threads_are_idle():
    return not any(thread.jobs for thread in thread_pool._all)


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.1})
@pytest.mark.parametrize("name", ["look", "refuse", "nest"])
async def test_what_a_thread_answers_after_its_deadline_is_dropped(name, gate, settle) -> None:
    class Late(DefReply):
        @action()
        def look(self):
            gate.pass_through()
            return TEXT, 200

        @action()
        def nest(self, request_id):
            gate.pass_through()
            async_to_sync(self.handle_action)("look_async", request_id)

        def handle_exception(self, exc, action, request_id):
            gate.pass_through()
            self.reply(action, errors=exc.detail, status=400, request_id=request_id)

    async with SocketCommunicator(Late.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call(name), status=504)
        gate.opened.set()
        await settle(threads_are_idle)
        await socket.expect_nothing()
        await socket.expect_reply(await socket.call("look_async"), status=200)


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.1})
@pytest.mark.parametrize("own_reading", [False, True])
async def test_an_error_is_answered_with_504_where_handle_exception_hangs(own_reading) -> None:
    class Hanging(DefReply):
        async def handle_exception(self, exc, action, request_id):
            await asyncio.Event().wait()

    owner = awaiting(Hanging) if own_reading else Hanging
    async with SocketCommunicator(owner.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("refuse"), status=504)
        await socket.expect_nothing()


async def test_an_action_that_replaces_one_that_took_too_long_is_answered_under_its_id(
    gate,
) -> None:
    class Impatient(DefReply):
        @action()
        def wait(self):
            gate.pass_through()

        async def receive_json(self, content):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.handle_action("wait", content["request_id"])
            await self.handle_action("look_async", content["request_id"])

    async with SocketCommunicator(Impatient.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("wait"), action="look_async", status=200)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200})
async def test_the_rest_of_a_frame_is_handled_after_an_answer_that_had_to_wait(settle) -> None:
    class Batch(DefReply):
        async def receive_json(self, content):
            for request_id in content:
                await self.handle_action("look", request_id)

    async with StalledClient(Batch.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json([1, 2, 3])
        await settle(lambda: connection.outbox.waiters)
        await pass_deadline(connection)
        socket.read()
        for request_id in (1, 2, 3):
            await socket.expect_reply(request_id, status=200)
        await socket.expect_nothing()


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.2})
async def test_a_frame_is_answered_with_504_where_only_another_request_has_been_answered() -> None:
    class Asking(DefReply):
        @action()
        async def ask(self):
            await self.handle_action("look_async", 7)
            await asyncio.Event().wait()

    async with SocketCommunicator(Asking.as_asgi(), dialect="action") as socket:
        request_id = await socket.call("ask")
        await socket.expect_reply(7, status=200)
        await socket.expect_reply(request_id, status=504)


class Silent(OwnAnswers):
    """A consumer whose senders return nothing."""

    def send_json(self, content):
        super().send_json(content)

    @action()
    async def tell(self):
        await self.send_json("telling")
        await self.send_json("told")


class SilentView(SocketView):
    def send_json(self, data):
        super().send_json(data)

    async def receive(self, request):
        await self.send_json("telling")
        await self.send_json("told")


@pytest.mark.parametrize("name", ["look", "look_async", "refuse"])
async def test_a_reply_that_returns_nothing_is_the_only_answer(name) -> None:
    async with SocketCommunicator(Silent.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call(name), status=STATUSES.get(name, 200))
        await socket.expect_nothing()


@pytest.mark.parametrize("owner", [Silent, SilentView])
async def test_a_handler_may_await_an_override_that_returns_nothing(owner) -> None:
    async with SocketCommunicator(owner.as_asgi(), dialect="action") as socket:
        await socket.call("tell")
        assert [await socket.receive_json() for _ in range(2)] == ["telling", "told"]
