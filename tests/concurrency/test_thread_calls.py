"""What a `def` handler may rely on in its thread: contexts, the event loop, and its end."""

import asyncio
import sys
import threading
import weakref
from contextvars import ContextVar

import pytest
from asgiref.local import Local
from asgiref.sync import async_to_sync, sync_to_async
from django.test import override_settings
from django.utils import translation

from rest_channels.concurrency import execution, thread_calls
from rest_channels.concurrency.asgiref_locals import examine_locals
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

variable = ContextVar("variable", default="unset")
local = Local()


@pytest.fixture(autouse=True, params=["own way", "asgiref"])
def way(request, monkeypatch) -> None:
    """Run each test twice: with an asgiref whose `Local`s can be moved, and with another."""
    monkeypatch.setattr(thread_calls, "LOCALS_CAN_MOVE", request.param == "own way")


def test_the_locals_of_the_installed_asgiref_can_move() -> None:
    assert examine_locals()[1]


class Marking:
    """A permission that changes the context of its thread."""

    def has_permission(self, request, view):
        variable.set("set by a def")
        local.name = f"after {getattr(local, 'name', None)}"
        translation.activate("de")
        return True


class Marked(AsyncAPIConsumer):
    permission_classes = [Marking]

    def state(self):
        return [variable.get(), getattr(local, "name", None), translation.get_language()], 200

    @action()
    def in_thread(self):
        return self.state()

    @action()
    async def on_loop(self):
        return self.state()


@pytest.mark.parametrize("name", ["in_thread", "on_loop"])
async def test_what_a_def_sets_in_the_context_is_seen_by_what_follows(name) -> None:
    async with SocketCommunicator(Marked.as_asgi()) as socket:
        for call in (1, 2):  # and not by the next frame
            await socket.send_json({"action": name, "request_id": call})
            reply = await socket.receive_json()
            assert reply["data"] == ["set by a def", "after None", "de"]


async def test_a_thread_that_a_def_starts_does_not_see_its_locals() -> None:
    class Start(SocketView):
        def receive(self, request):
            local.name = "of the handler"
            thread = threading.Thread(target=lambda: seen.append(hasattr(local, "name")))
            thread.start()
            thread.join()
            self.send_json(seen)

    seen: list[bool] = []
    async with SocketCommunicator(Start.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event([False])


async def test_the_locale_of_a_client_is_active_in_a_def_and_in_its_coroutines() -> None:
    class Languages(SocketView):
        def receive(self, request):
            self.send_json([translation.get_language(), async_to_sync(self.language)()])

        async def language(self):
            return translation.get_language(), await sync_to_async(translation.get_language)()

    headers = [("accept-language", "de")]
    async with SocketCommunicator(Languages.as_asgi(), headers=headers) as socket:
        await socket.send_json(None)
        await socket.expect_event(["de", ["de", "de"]])


async def test_a_coroutine_of_a_def_runs_on_the_loop_and_its_threads_work_in_the_same_thread() -> (
    None
):
    class Nested(SocketView):
        def receive(self, request):
            thread = threading.get_ident()
            loop, inner = async_to_sync(self.nested)()
            self.send_json([loop is main, inner == thread])

        async def nested(self):
            return asyncio.get_running_loop(), await sync_to_async(threading.get_ident)()

    main = asyncio.get_running_loop()
    async with SocketCommunicator(Nested.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event([True, True])


async def test_a_def_that_a_coroutine_of_a_def_calls_runs_in_the_same_thread() -> None:
    class Nested(SocketView):
        def receive(self, request):
            inner = async_to_sync(execution.run)(threading.get_ident)
            self.send_json(inner == threading.get_ident())

    async with SocketCommunicator(Nested.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(True)


async def test_a_def_after_a_coroutine_of_another_def_runs_in_the_pool() -> None:
    async def nested():
        return (await sync_to_async(threading.current_thread)()).name

    async with execution.thread_lease():
        assert await execution.run(async_to_sync(nested)) == "rest_channels"
        assert (await execution.run(threading.current_thread)).name == "rest_channels"


async def test_a_def_sees_the_changes_of_its_coroutine() -> None:
    class Nested(SocketView):
        def receive(self, request):
            async_to_sync(self.nested)()
            self.send_json([variable.get(), local.name])

        async def nested(self):
            variable.set("nested")
            local.name = "nested"

    async with SocketCommunicator(Nested.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event(["nested", "nested"])


async def test_the_threads_work_of_an_async_handler_has_one_thread() -> None:
    class Threads(SocketView):
        async def receive(self, request):
            threads = [await sync_to_async(threading.current_thread)() for _ in range(3)]
            self.send_json([len(set(threads)), threads[0].name])

    async with SocketCommunicator(Threads.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event([1, "rest_channels"])


@override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 0.05})
async def test_a_coroutine_of_a_def_that_is_cancelled_ends_before_the_client_is_answered() -> None:
    class Nested(SocketView):
        def receive(self, request):
            try:
                async_to_sync(self.nested)()
            finally:
                ends.append("def")

        async def nested(self):
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ends.append("coroutine")

    ends: list[str] = []
    async with SocketCommunicator(Nested.as_asgi()) as socket:
        await socket.send_json({"request_id": 1})
        await socket.expect_reply(1, status=504)
        assert ends == ["coroutine", "def"]


async def test_a_def_that_survives_the_cancellation_of_its_coroutine_returns_its_result() -> None:
    async def wait():
        began.set()
        await asyncio.Event().wait()

    def survive():
        try:
            async_to_sync(wait)()
        except asyncio.CancelledError:
            return "survived"

    began = asyncio.Event()
    async with execution.thread_lease():
        task = asyncio.create_task(execution.run(survive))
        await began.wait()
        task.cancel()
        assert await task == "survived"


async def test_a_cancelled_def_goes_on_and_its_coroutines_still_run_on_the_loop() -> None:
    async def note():
        ran.set()

    def go_on():
        loop.call_soon_threadsafe(began.set)
        may_go_on.wait(5)
        async_to_sync(note)()

    loop, began, ran = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    may_go_on = threading.Event()
    async with execution.thread_lease():
        task = asyncio.create_task(execution.run(go_on))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    may_go_on.set()
    await asyncio.wait_for(ran.wait(), 5)


async def test_a_def_called_while_an_exception_is_handled_can_log_it() -> None:
    class Handling(AsyncAPIConsumer):
        @action()
        async def fail(self):
            raise ValueError("the cause")

        def handle_exception(self, exc, action, request_id):
            self.send_json(str(sys.exc_info()[1]))

    async with SocketCommunicator(Handling.as_asgi()) as socket:
        await socket.send_json({"action": "fail", "request_id": 1})
        await socket.expect_event("the cause")


async def test_nothing_of_a_def_is_kept_after_its_answer(settle) -> None:
    class Held:
        pass

    class Holding(SocketView):
        def receive(self, request):
            held = Held()
            references.append(weakref.ref(held))
            local.held = held
            variable.set(held)
            self.send_json("done")

    references: list[weakref.ref[Held]] = []
    async with SocketCommunicator(Holding.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event("done")
        await settle(lambda: references[0]() is None)


async def test_a_def_that_ends_after_its_loop_was_closed_returns_its_thread() -> None:
    def serve():
        asyncio.run(give_up())

    async def give_up():
        async with execution.thread_lease():
            asyncio.create_task(execution.run(hang))  # noqa: RUF006 - `run` cancels it
            await asyncio.to_thread(began.wait, 5)

    def hang():
        began.set()
        closed.wait(5)

    began, closed = threading.Event(), threading.Event()
    await asyncio.to_thread(serve)
    closed.set()
