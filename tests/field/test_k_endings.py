"""Every way to define a disconnect is called, and every step of an ending runs."""

import asyncio
from unittest import mock

import pytest

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.engine import connection as connection_module
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


@pytest.mark.parametrize("name", ["disconnect", "websocket_disconnect"])
async def test_a_disconnect_that_a_test_puts_in_the_base_class_is_called(name) -> None:
    class Consumer(AsyncAPIConsumer):
        pass

    with mock.patch.object(SocketConsumer, name) as disconnect:
        async with SocketCommunicator(Consumer.as_asgi()):
            pass
    assert disconnect.call_count == 1


class WithDisconnect:
    def __new__(cls, **kwargs):
        instance = super().__new__(cls)
        instance.disconnect = lambda request: instance.left()
        return instance


class WithAttributes:
    def __getattr__(self, name):
        if name != "disconnect":
            raise AttributeError(name)
        return lambda request: self.left()


class WithSteps:
    def find_handler(self):
        if self.event == "disconnect":
            self.left()
        return super().find_handler()


@pytest.mark.parametrize("mixin", [WithDisconnect, WithAttributes, WithSteps])
async def test_a_view_whose_class_has_no_disconnect_may_still_handle_it(mixin) -> None:
    called = []

    class View(mixin, SocketView):
        def left(self):
            called.append(self.event)

    async with SocketCommunicator(View.as_asgi()):
        pass
    assert called == ["disconnect"]


def serve(application, *messages):
    received = asyncio.Queue()
    for message in messages:
        received.put_nowait(message)
    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    return asyncio.create_task(application(scope, received.get, mock.AsyncMock()))


@pytest.mark.parametrize("step", ["disconnect", "on_ended"])
async def test_the_other_steps_of_an_ending_run_if_all_tasks_are_cancelled(step) -> None:
    reached, called = asyncio.Event(), []

    class Consumer(SocketConsumer):
        async def connect(self):
            self._connection.on_ended += (self.clean_up, self.clean_up_more)

        async def disconnect(self, code):
            await self.wait_in("disconnect")

        async def clean_up(self):
            await self.wait_in("on_ended")

        async def clean_up_more(self):
            called.append("more")

        async def wait_in(self, name):
            called.append(name)
            if name == step:
                reached.set()
                await asyncio.Event().wait()

    before = asyncio.all_tasks()
    serve(Consumer.as_asgi(), {"type": "websocket.connect"}, {"type": "websocket.disconnect"})
    await reached.wait()
    tasks = asyncio.all_tasks() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert called == ["disconnect", "on_ended", "more"]
    assert (current_hub()._connection_count, current_hub()._timer) == (0, None)


@pytest.mark.parametrize("base", [SocketConsumer, SocketView])
async def test_a_client_that_does_not_answer_a_close_ends_only_its_own_task(
    base, monkeypatch
) -> None:
    class Application(base):
        if base is SocketConsumer:

            async def connect(self):
                await self.accept()
                self.close()
        else:

            async def connect(self, request):
                request.connection.accept()
                request.connection.close()

    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT", 0.01)
    served = serve(Application.as_asgi(), {"type": "websocket.connect"})
    done, _pending = await asyncio.wait({served}, timeout=2)
    assert done == {served}
