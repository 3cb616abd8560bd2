"""What user code may still do while its connection ends, and afterwards."""

import gc
import weakref

import pytest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.connection_identity import ConnectionScope
from rest_channels.testing import SocketCommunicator


@pytest.mark.parametrize("names", [("changed",), ("owner",), ("owner", "changed")])
def test_a_thread_may_log_in_a_user_at_the_moment_when_its_connection_ends(names) -> None:
    class UserKey(str):
        """The key of the user. When the scope looks at it, the loop ends the connection."""

        __hash__ = str.__hash__

        def __eq__(self, other):
            for name in names:
                setattr(scope, name, None)
            return str.__eq__(self, other)

    told = []
    connection = object()
    scope = ConnectionScope({})
    scope.owner, scope.changed = connection, told.append
    scope[UserKey("user")] = "ada"
    assert told == [connection]


class ReadsOnly(BasePermission):
    def has_permission(self, request, view):
        return request.method == "HEAD"


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize(
    ("content", "status"),
    [({"action": "rename"}, 400), ({"action": "rename", "to": "a"}, 200), ({"action": "end"}, 403)],
)
async def test_a_connection_is_freed_at_once_after_a_refusal(content, status, settle) -> None:
    class Rooms(AsyncAPIConsumer):
        async def connect(self):
            connections.append(weakref.ref(self._connection))

        @action()
        async def rename(self, to):
            return to, 200

        @action(permission_classes=[ReadsOnly])
        async def end(self):
            return None, 200

    connections = []
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        await socket.send_json(content)
        assert (await socket.receive_json())["response_status"] == status
    await settle(lambda: connections[0]() is None)


async def test_a_refusal_is_not_its_own_cause() -> None:
    class Closed(AsyncAPIConsumer):
        @action(permission_classes=[ReadsOnly])
        async def end(self):
            return None, 200

        async def handle_exception(self, exc, action, request_id):
            self.send_json(exc.__cause__ is exc)

    async with SocketCommunicator(Closed.as_asgi()) as socket:
        await socket.send_json({"action": "end"})
        assert await socket.receive_json() is False


class Guests(BaseAuthentication):
    def authenticate(self, request):
        return None


@pytest.mark.usefixtures("without_collections")
async def test_a_connection_that_was_authenticated_is_freed_at_once(settle) -> None:
    class Rooms(AsyncAPIConsumer):
        authentication_classes = [Guests]

        async def connect(self):
            connections.append(weakref.ref(self._connection))

    connections = []
    async with SocketCommunicator(Rooms.as_asgi()):
        gc.collect()  # what the handshake has left
    await settle(lambda: connections[0]() is None)
