"""The user that replaces another one is as a query would have made it."""

import pytest
from django.contrib.auth import get_user_model
from django.db.models.signals import post_init

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Room

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def tracked():
    """Users remember their stored name, as with FieldTracker, dirtyfields or an own `__init__`."""

    def remember(instance, **kwargs):
        instance.stored_name = instance._stored_name = vars(instance).get("first_name")

    post_init.connect(remember, User)
    yield
    post_init.disconnect(remember, User)


@pytest.fixture
def ada():
    User.objects.create_user("ada", first_name="Ada")
    return User.objects.get()


class Describe(SocketConsumer):
    """Answers with attributes of its user. A frame may set one."""

    async def receive_json(self, content):
        user = self.scope["user"]
        if isinstance(content, dict):
            vars(user).update(content)
        self.send_json([getattr(user, name, None) for name in content])


async def expect(socket, **attributes):
    await socket.send_json([*attributes])
    await socket.expect_event([*attributes.values()])


@pytest.mark.parametrize("query", [User.objects.all(), User.objects.defer("first_name")])
async def test_what_a_model_remembers_of_its_columns_is_what_is_stored(ada, query) -> None:
    own = await query.aget()
    own.tenant, own._tenant = "red", "_red"
    async with SocketCommunicator(Describe.as_asgi(), user=own) as socket:
        ada.first_name, ada.last_name = "Augusta", "King"
        await ada.asave()
        name = "Augusta" if own.get_deferred_fields() == set() else None
        await expect(socket, last_name="King", stored_name=name, _stored_name=name)
        await expect(socket, tenant="red", _tenant="_red")


async def test_what_a_middleware_has_set_after_init_is_kept(ada) -> None:
    ada.stored_name = "of the middleware"
    async with SocketCommunicator(Describe.as_asgi(), user=ada) as socket:
        own = await User.objects.aget()
        own.first_name = "Augusta"
        await own.asave()
        await expect(socket, first_name="Augusta", stored_name="of the middleware")


async def test_what_methods_have_cached_for_the_user_is_dropped_after_a_heartbeat(ada) -> None:
    class Rooms(SocketConsumer):
        def receive_json(self, content):
            user = self.scope["user"]
            if not hasattr(user, "_room_names"):
                user._room_names = [room.name for room in user.current_rooms.all()]
            self.send_json(user._room_names)

    room = await Room.objects.acreate(name="red", host=ada)
    async with SocketCommunicator(Rooms.as_asgi(), user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event([])
        await room.current_users.aadd(ada)
        await check_accounts(current_hub())
        await socket.send_json(None)
        await socket.expect_event(["red"])


async def test_what_a_handler_sets_by_a_public_name_is_kept(ada) -> None:
    async with SocketCommunicator(Describe.as_asgi(), user=ada) as socket:
        await socket.send_json({"theme": "dark"})
        await socket.expect_event(["dark"])
        await User.objects.aupdate(first_name="Augusta")
        await check_accounts(current_hub())
        await expect(socket, theme="dark", first_name="Augusta", stored_name="Augusta")
