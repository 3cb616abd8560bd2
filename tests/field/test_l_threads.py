"""What a `def` leaves behind in its thread and on the loop."""

import weakref

import pytest
from rest_framework.exceptions import NotFound

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.testing import SocketCommunicator


class Held:
    pass


@pytest.mark.usefixtures("without_collections")
async def test_nothing_of_a_def_that_was_refused_is_kept_after_its_answer(settle) -> None:
    class Refusing(AsyncAPIConsumer):
        @action()
        def find(self):
            held = Held()
            references.append(weakref.ref(held))
            raise NotFound

    references: list[weakref.ref[Held]] = []
    async with SocketCommunicator(Refusing.as_asgi()) as socket:
        await socket.send_json({"action": "find"})
        assert (await socket.receive_json())["response_status"] == 404
        await settle(lambda: references[0]() is None)
