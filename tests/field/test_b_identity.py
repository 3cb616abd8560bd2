"""The user of a connection is the one that the next HTTP request would have."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import OperationalError
from rest_framework.permissions import IsAdminUser
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.observer import model_observer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets.handlers import RoutedSocketHandler
from tests.observer.models import Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    """A member of the staff, whose object is not the one that the connection has."""
    User.objects.create_user("ada", is_staff=True, is_superuser=True)
    return User.objects.get()


@pytest.fixture
def own():
    """The object of the connection."""
    return User.objects.get()


class StaffView(SocketView):
    permission_classes = [IsAdminUser]

    async def receive(self, request):
        self.send_json({"status": 200})


class StaffRoutes(SocketRouteView):
    permission_classes = [IsAdminUser]

    @socket_route
    def receive_it(self, request, data):
        return {}, 200


class StaffActions(AsyncAPIConsumer):
    permission_classes = [IsAdminUser]

    @action()
    async def receive_it(self):
        return {}, 200


FRAMES = [
    (StaffView, "status", {}),
    (StaffRoutes, "status", {"method": "receive_it"}),
    (StaffActions, "response_status", {"action": "receive_it", "request_id": 1}),
]


@pytest.mark.parametrize(("view", "key", "frame"), FRAMES)
async def test_a_right_that_is_taken_away_by_save_is_refused_at_the_next_frame(
    ada, own, view, key, frame
) -> None:
    async with SocketCommunicator(view.as_asgi(), user=own) as socket:
        await socket.send_json(frame)
        assert (await socket.receive_json())[key] == 200
        ada.is_staff = False
        await ada.asave()
        await socket.send_json(frame)
        assert (await socket.receive_json())[key] == 403


@pytest.mark.parametrize(("view", "key", "frame"), FRAMES)
async def test_a_right_that_is_given_by_save_is_there_at_the_next_frame(
    ada, own, view, key, frame
) -> None:
    async with SocketCommunicator(view.as_asgi(), user=own) as socket:
        for is_staff, status in [(False, 403), (True, 200), (False, 403)]:
            ada.is_staff = is_staff
            await ada.asave(update_fields=["is_staff"])
            await socket.send_json(frame)
            assert (await socket.receive_json())[key] == status


@pytest.mark.parametrize(("view", "key", "frame"), FRAMES)
async def test_a_right_that_is_taken_away_without_a_signal_is_refused_after_a_heartbeat(
    ada, own, view, key, frame
) -> None:
    async with SocketCommunicator(view.as_asgi(), user=own) as socket:
        await User.objects.aupdate(is_staff=False)
        await check_accounts(current_hub())
        await socket.send_json(frame)
        assert (await socket.receive_json())[key] == 403


class Names(SocketConsumer):
    """Sends the columns of its user, from every kind of event."""

    groups = ["names"]

    def describe(self):
        user = self.scope["user"]
        return [user.first_name, user.is_superuser, getattr(user, "tenant", None)]

    async def receive_json(self, content):
        self.send_json(self.describe())

    async def name_wanted(self, event):
        self.send_json(self.describe())


async def test_every_column_is_current_for_frames_and_for_messages_of_groups(ada, own) -> None:
    own.tenant = "north"  # as a middleware does
    async with SocketCommunicator(Names.as_asgi(), user=own) as socket:
        ada.first_name, ada.is_superuser = "Augusta", False
        await ada.asave()
        await socket.send_json(None)
        assert await socket.receive_json() == ["Augusta", False, "north"]
        await User.objects.aupdate(first_name="Ada")
        await check_accounts(current_hub())
        await socket.send_json(None)
        assert await socket.receive_json() == ["Ada", False, "north"]


async def test_a_message_of_a_group_that_follows_a_save_sees_the_saved_user(ada, own) -> None:
    class Telling(Names):
        async def receive_json(self, content):
            ada.first_name = "Augusta"
            await ada.asave()
            await self.channel_layer.group_send("names", {"type": "name.wanted"})

    async with SocketCommunicator(Telling.as_asgi(), user=own) as socket:
        await socket.send_json(None)
        assert await socket.receive_json() == ["Augusta", True, None]


async def test_a_row_handler_sees_the_user_as_it_is_now(ada, own) -> None:
    class Handler(RoutedSocketHandler):
        routes = [("NAME", "name")]

        def name(self, content):
            self.send_action("NAME", name=self.user.first_name)

    async with SocketCommunicator(Handler.as_asgi(), user=own) as socket:
        await sync_to_async(User.objects.get)()
        ada.first_name = "Augusta"
        await ada.asave()
        await socket.send_json({"type": "NAME"})
        assert (await socket.receive_json())["name"] == "Augusta"


async def test_a_hundred_frames_after_a_change_cost_no_query(ada, own, queries) -> None:
    async with SocketCommunicator(StaffView.as_asgi(), user=own) as socket:
        ada.first_name = "Augusta"
        await ada.asave()
        await socket.send_json({})
        await socket.receive_json()
        queries.clear()
        for _ in range(100):
            await socket.send_json({})
            await socket.receive_json()
        assert queries == []


async def test_a_handler_that_runs_keeps_its_object_and_the_next_one_gets_another(ada, own) -> None:
    go_on = asyncio.Event()

    class Slow(SocketView):
        async def receive(self, request):
            user = request.user
            await go_on.wait()
            self.send_json([user.first_name, request.user.first_name])

    async with SocketCommunicator(Slow.as_asgi(), user=own) as socket:
        await socket.send_json(None)
        await asyncio.sleep(0)
        await User.objects.aupdate(first_name="Augusta")
        await check_accounts(current_hub())
        go_on.set()
        assert await socket.receive_json() == ["", "Augusta"]
        assert own.first_name == ""


async def test_related_rows_that_the_user_has_loaded_are_loaded_again(ada, own) -> None:
    class Groups(SocketView):
        def receive(self, request):
            self.send_json([group.name for group in request.user.groups.all()])

    loaded = await User.objects.prefetch_related("groups").aget()
    async with SocketCommunicator(Groups.as_asgi(), user=loaded) as socket:
        await ada.groups.aadd(await Group.objects.acreate(name="editors"))
        ada.first_name = "Augusta"
        await ada.asave()
        await socket.send_json(None)
        assert await socket.receive_json() == ["editors"]


async def test_a_save_that_is_rolled_back_or_changes_nothing_keeps_the_object(ada, own) -> None:
    class Same(SocketView):
        async def receive(self, request):
            self.send_json(request.user is own)

    async with SocketCommunicator(Same.as_asgi(), user=own) as socket:
        await ada.asave()
        await socket.send_json(None)
        assert await socket.receive_json() is True


async def test_a_database_that_is_down_during_a_check_delays_no_frame_for_ever(
    ada, own, monkeypatch, caplog
) -> None:
    def fail(keys):
        raise OperationalError("down")

    async with SocketCommunicator(StaffView.as_asgi(), user=own) as socket:
        with monkeypatch.context() as patched:
            patched.setattr("rest_channels.engine.account_status.stored_columns", fail)
            await ada.asave()
            await socket.send_json({})
            assert (await socket.receive_json())["status"] == 200
    assert "next heartbeat" in caplog.text


async def test_a_user_who_is_deactivated_has_no_further_frame_handled(ada, own) -> None:
    handled = []

    class Handling(SocketView):
        async def receive(self, request):
            handled.append(request.data)

    async with SocketCommunicator(Handling.as_asgi(), user=own) as socket:
        await User.objects.aupdate(is_active=False)
        await ada.asave(update_fields=["first_name"])  # a signal that does not say it
        await socket.send_json("late")
        await socket.expect_close(4442)
    assert handled == []


class TagSerializer(ModelSerializer):
    class Meta:
        model = Tag
        fields = ["name"]


class StaffTags(GenericAsyncAPIConsumer):
    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    permission_classes = [IsAdminUser]
    check_deliveries = True

    tags = model_observer(Tag, TagSerializer)

    @action()
    async def follow(self, request_id, **kwargs):
        await self.tags.subscribe(request_id=request_id)
        return {}, 200


async def save_signalled(ada):
    ada.is_staff = False
    await ada.asave()


async def save_unsignalled(ada):
    await User.objects.aupdate(is_staff=False)
    await check_accounts(current_hub())


@pytest.mark.parametrize("save", [save_signalled, save_unsignalled])
async def test_no_row_is_pushed_to_a_user_who_has_lost_the_right(ada, own, save) -> None:
    async with SocketCommunicator(StaffTags.as_asgi(), user=own) as socket:
        await socket.send_json({"action": "follow", "request_id": 1})
        await socket.receive_json()
        await Tag.objects.acreate(name="seen")
        assert (await socket.receive_json())["data"] == {"name": "seen"}
        await save(ada)
        await Tag.objects.acreate(name="hidden")
        assert (await socket.receive_json())["response_status"] == 403
        await Tag.objects.acreate(name="hidden")
        await socket.expect_nothing()
