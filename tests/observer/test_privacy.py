"""Attacks on observers: clients that received data of others, or missed their own."""

import asyncio
import time

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.dispatch import Signal
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer, observer

from .models import Comment, Tag
from .test_observers import (
    AllComments,
    Comments,
    CommentSerializer,
    call,
    client,
    comment,
    receive,
    users,
)

__all__ = ["comment", "users"]

pytestmark = pytest.mark.django_db(transaction=True)


async def receive_all(socket, timeout=0.3):
    """Return all frames that arrive, until none does for `timeout` seconds."""
    frames = []
    while (message := await socket._wait(timeout)) is not None:
        frames.append(orjson.loads(message["text"]) if "text" in message else message)
    return frames


def showing(read):
    """Return a serializer class whose only field is `read(context)`."""

    class Showing(serializers.ModelSerializer):
        seen = serializers.SerializerMethodField()

        class Meta:
            model = Comment
            fields = ["seen"]

        def get_seen(self, comment):
            return read(self.context)

    return Showing


class ByUser(AllComments):
    comments = model_observer(Comment, serializer_class=CommentSerializer)

    @comments.groups_for_signal
    def comments(self, instance, **kwargs):
        yield str(instance.user_id)

    @comments.groups_for_consumer
    def comments(self, user=None, **kwargs):
        yield str(user)

    @action()
    async def subscribe(self, request_id, user):
        await self.comments.subscribe(user=user, request_id=request_id)
        return None, 201


@pytest.fixture
def switch():
    """A permission that a test can take away."""

    class Switch(BasePermission):
        on = True

        def has_permission(self, request, view):
            return Switch.on

    return Switch


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
async def test_a_subscriber_receives_no_change_of_a_row_in_another_database(comment) -> None:
    other = Comment(pk=comment.pk, text="secret")
    async with client() as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await other.asave(using="other", force_insert=True)
        await other.asave(using="other")
        await socket.expect_nothing()


@pytest.mark.parametrize("write", ["delete", "move"])
async def test_a_client_without_permission_receives_no_data_of_a_lost_row(
    users, switch, write
) -> None:
    class Guarded(ByUser):
        permission_classes = [switch]
        check_deliveries = True

    comment = await Comment.objects.acreate(text="a", user=users[0])
    async with client(Guarded) as socket:
        await call(socket, "subscribe", user=users[0].pk)
        switch.on, comment.text, comment.user = False, "secret", users[1]
        await (comment.adelete() if write == "delete" else comment.asave())
        [frame] = await receive_all(socket)
        assert (frame["response_status"], frame["data"]) == (403, None)


async def test_a_checked_delivery_of_a_deletion_sends_only_the_key(switch) -> None:
    class Guarded(AllComments):
        permission_classes = [switch]
        check_deliveries = True

    comment = await Comment.objects.acreate(text="secret")
    async with client(Guarded) as socket:
        await call(socket, "subscribe")
        pk = comment.pk
        await comment.adelete()
        assert await receive(socket) == ("delete", 7, 204, {"pk": pk})


async def test_a_checked_delivery_of_a_signal_sends_one_403_frame(switch) -> None:
    signal = Signal()

    class Guarded(AsyncAPIConsumer):
        permission_classes = [switch]
        check_deliveries = True

        @observer(signal)
        async def on_signal(self, message, **kwargs):
            await self.send_json("received")

        @action()
        async def subscribe(self, request_id):
            await self.on_signal.subscribe(request_id=request_id)
            return None, 201

    async with client(Guarded) as socket:
        await call(socket, "subscribe")
        switch.on = False
        for _ in range(2):
            await sync_to_async(signal.send)(sender=None)
        assert [frame["response_status"] for frame in await receive_all(socket)] == [403]


@pytest.mark.parametrize("attribute", ["queryset", "serializer_class"])
async def test_attributes_that_a_consumer_instance_sets_apply_to_deliveries(
    users, attribute
) -> None:
    class Customized(Comments):
        async def connect(self):
            if attribute == "queryset":
                self.queryset = Comment.objects.filter(user=self.scope["user"])
            else:
                self.serializer_class = showing(lambda context: "own")

    comment = await Comment.objects.acreate(text="a", user=users[0])
    async with client(Customized, user=users[0]) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        comment.user = users[1]
        await comment.asave()
        expected = ["Not found"] if attribute == "queryset" else {"seen": "own"}
        assert (await receive(socket))[3] == expected


async def test_a_consumer_class_can_define_serializer_class_as_a_property(comment) -> None:
    class Customized(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = Comment.objects.all()

        @property
        def serializer_class(self):
            return CommentSerializer

    async with client(Customized) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await receive(socket))[3] == {"id": comment.pk, "text": "a"}


@pytest.mark.parametrize("key", ["auth", "session", "team"])
async def test_connections_of_one_user_with_different_scopes_share_no_rendering(
    comment, users, key
) -> None:
    class Customized(Comments):
        serializer_class = showing(
            lambda context: context["scope"][key] if "scope" in context else None
        )

    one, two = client(Customized, user=users[0]), client(Customized, user=users[0])
    one.scope[key], two.scope[key] = "full", "limited"
    async with one, two:
        for socket in (one, two):
            await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        seen = [(await receive(socket))[3]["seen"] for socket in (one, two)]
        assert seen == ["full", "limited"]


async def test_each_request_of_a_connection_receives_the_changes_its_arguments_select(
    comment, users
) -> None:
    class Customized(Comments):
        serializer_class = showing(lambda context: context.get("short"))

        def get_serializer_context(self, short=None, **kwargs):
            return {"short": short}

    async with client(Customized, user=users[0]) as socket:
        for number in (1, 2):
            await call(socket, "subscribe_instance", number, pk=comment.pk, short=number)
        await comment.asave()
        frames = [(frame["request_id"], frame["data"]) for frame in await receive_all(socket)]
        assert sorted(frames) == [(1, {"seen": 1}), (2, {"seen": 2})]


READINGS = {
    "or": lambda context: (context | {"a": 1}).get("request"),
    "equal": lambda context: None if context == {} else context["request"],
    "double star": lambda context: {**context}.get("request"),
    "match": lambda context: context["request"] if context else None,
    "repr": lambda context: context.get("request") if repr(context) != "{}" else None,
    "reversed": lambda context: next((context[key] for key in reversed(context)), None),
    "pop": lambda context: context.pop("request", None),
}


@pytest.mark.parametrize("reading", READINGS)
async def test_a_serializer_that_reads_its_context_in_any_way_is_detected(
    comment, users, reading
) -> None:
    class Customized(Comments):
        serializer_class = showing(
            lambda context: str(getattr(READINGS[reading](context), "user", None))
        )

        def get_serializer_context(self, **kwargs):
            return {"request": self.request}

    async with client(Customized, user=users[0]) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await receive(socket))[3] == {"seen": "ada"}


async def test_an_outdated_instance_sends_nothing_to_a_group_its_row_has_left(users) -> None:
    comment = await Comment.objects.acreate(text="a", user=users[0])
    stale = await Comment.objects.aget(pk=comment.pk)
    comment.user, comment.text = users[1], "secret"
    await comment.asave()
    async with client(ByUser) as socket:
        await call(socket, "subscribe", user=users[0].pk)
        await stale.asave(update_fields=["date"])
        await socket.expect_nothing()


@pytest.mark.parametrize("own", [False, True])
async def test_no_change_arrives_after_the_reply_to_unsubscribe_instance(comment, own) -> None:
    def slow(context):
        time.sleep(0.2)
        return own and context.get("request") is None

    class Slow(Comments):
        serializer_class = showing(slow)

    async with client(Slow) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        await asyncio.sleep(0.05)
        assert await call(socket, "unsubscribe_instance", pk=comment.pk) == 204
        assert await receive_all(socket, 0.5) == []


async def test_a_later_subscriber_receives_no_earlier_change() -> None:
    class Slow(AllComments):
        comments = model_observer(Comment, serializer_class=showing(lambda _: time.sleep(0.1)))

    async with client(Slow) as socket:
        await call(socket, "subscribe")
        for _ in range(5):
            await Comment.objects.acreate(text="old")
    async with client(Slow) as socket:
        await call(socket, "subscribe")
        await Comment.objects.acreate(text="new")
        assert len(await receive_all(socket, 0.5)) == 1


async def test_a_signal_sent_on_the_loop_or_in_a_thread_is_received() -> None:
    signal = Signal()

    class Signalled(AsyncAPIConsumer):
        @observer(signal)
        async def on_signal(self, message, **kwargs):
            await self.send_json("received")

        async def connect(self):
            await self.on_signal.subscribe()

    async with client(Signalled) as socket:
        signal.send(sender=None)
        await sync_to_async(signal.send)(sender=None, using="card")
        assert await receive_all(socket) == ["received", "received"]


async def test_an_error_of_one_consumer_class_does_not_affect_another_class(comment) -> None:
    class Failing(Comments):
        serializer_class = showing(lambda _: 1 / 0)

    async with client(Failing) as one, client() as two:
        for socket in (one, two):
            await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await receive(two))[0] == "update"


async def test_a_subscription_of_an_action_that_timed_out_receives_changes(
    comment, settings
) -> None:
    settings.REST_CHANNELS = {"HANDLER_TIMEOUT": 0.3}

    class Slow(AllComments):
        @action()
        async def subscribe(self, request_id):
            await self.comments.subscribe(request_id=request_id)
            await asyncio.sleep(5)

    async with client(Slow) as socket:
        assert await call(socket, "subscribe") == 504
        await comment.asave()
        assert (await receive(socket))[0] == "update"


async def test_a_handler_of_an_observer_can_subscribe_to_another_observer() -> None:
    class Chained(AsyncAPIConsumer):
        check_deliveries = True
        tags = model_observer(Tag)

        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            await self.tags.subscribe(request_id="tags")
            await self.send_json("subscribed")

        @action()
        async def subscribe(self):
            await self.activity.subscribe()
            return None, 201

    async with client(Chained) as socket:
        await call(socket, "subscribe")
        await Comment.objects.acreate(text="a")
        assert await socket.receive_json() == "subscribed"
        await Tag.objects.acreate(name="a")
        assert (await receive(socket))[:2] == ("create", "tags")


async def test_a_long_action_delays_only_the_changes_of_its_own_subscription(comment) -> None:
    class Detached(AllComments):
        tags = model_observer(Tag)

        @action(detached=True)
        async def watch(self, request_id):
            await self.tags.subscribe(request_id=request_id)
            await asyncio.sleep(0.3)
            return None, 201

    async with client(Detached) as socket:
        await call(socket, "subscribe", 1)
        await socket.send_json({"action": "watch", "request_id": 2})
        await asyncio.sleep(0.05)
        for number in range(3):
            await Tag.objects.acreate(name=f"{number}")
        await comment.asave()
        frames = [await socket.receive_json() for _ in range(5)]
        received = [(frame["action"], frame["request_id"]) for frame in frames]
        assert received == [("update", 1), ("watch", 2), *[("create", 2)] * 3]


async def test_a_consumer_that_handles_gaps_receives_a_gap_if_its_queue_is_full(settings) -> None:
    settings.REST_CHANNELS = {"INBOX_FRAMES": 10}

    class Slow(AsyncAPIConsumer):
        @model_observer(Comment)
        async def activity(self, message, **kwargs):
            await asyncio.sleep(0.01)
            await self.send_json(message)

        @action()
        async def subscribe(self):
            await self.activity.subscribe()
            return None, 201

        async def gap(self, groups):
            await self.send_json("gap")

    async with client(Slow) as socket:
        await call(socket, "subscribe")
        await Comment.objects.abulk_create([Comment(text="a") for _ in range(100)])
        frames = await receive_all(socket)
        assert "gap" in frames
        assert len(frames) < 50


async def test_an_update_of_a_row_that_is_gone_does_not_end_the_subscription(comment) -> None:
    class Slow(Comments):
        def get_queryset(self, **kwargs):
            time.sleep(0.1)
            return Comment.objects.all()

    async with client(Slow) as socket:
        await call(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        await asyncio.sleep(0.05)
        await comment.adelete()
        assert [frame["action"] for frame in await receive_all(socket)][-1] == "delete"


async def test_a_subscription_follows_a_row_whose_lookup_value_changed(comment) -> None:
    class Named(Comments):
        lookup_field = "text"

        def get_object(self, **kwargs):
            return super().get_object(**kwargs)

    async with client(Named) as socket:
        await call(socket, "subscribe_instance", text="a")
        comment.text = "b"
        await comment.asave()
        assert (await receive(socket))[3] == {"id": comment.pk, "text": "b"}


async def test_a_subclass_can_define_groups_for_an_observer_of_its_base(users) -> None:
    class Base(AsyncAPIConsumer):
        comments = model_observer(Comment, serializer_class=CommentSerializer)

    class Grouped(Base):
        @Base.comments.groups_for_signal
        def comments(self, instance, **kwargs):
            yield str(instance.user_id)

        @comments.groups_for_consumer
        def comments(self, user=None, **kwargs):
            yield str(user)

        subscribe = ByUser.subscribe

    assert Base.comments.id != Grouped.comments.id
    assert Base.comments._labels_for_signal is None
    comment = await Comment.objects.acreate(text="a", user=users[0])
    async with client(Grouped) as socket:
        await call(socket, "subscribe", user=users[0].pk)
        comment = await Comment.objects.aget(pk=comment.pk)
        comment.user = users[1]
        await comment.asave()
        assert (await receive(socket))[0] == "delete"


async def test_a_serializer_that_failed_in_the_saving_process_is_called_once() -> None:
    calls = []

    class Failing(AllComments):
        comments = model_observer(Comment)

        @comments.serializer
        def comments(self, instance, action, **kwargs):
            calls.append(instance)
            raise ValueError

    async with client(Failing) as socket:
        await call(socket, "subscribe")
        await Comment.objects.acreate(text="a")
        await socket.expect_nothing()
    assert len(calls) == 1


async def test_the_request_ids_true_and_one_belong_to_different_requests(comment) -> None:
    async with client() as socket:
        for request_id in (1, True):
            await call(socket, "subscribe_instance", request_id, pk=comment.pk)
        await call(socket, "unsubscribe_instance", 1, pk=comment.pk)
        await comment.asave()
        assert [frame["request_id"] for frame in await receive_all(socket)] == [True]


async def test_a_consumer_without_a_model_passes_the_request_to_serializers(comment, users) -> None:
    class Customized(AllComments):
        comments = model_observer(
            Comment, serializer_class=showing(lambda context: str(context["request"].user))
        )

    async with client(Customized, user=users[0]) as socket:
        await call(socket, "subscribe")
        await comment.asave()
        assert (await receive(socket))[3] == {"seen": "ada"}


async def test_a_signal_without_subscribers_is_not_serialized() -> None:
    signal, called = Signal(), []

    class Signalled(AsyncAPIConsumer):
        @observer(signal)
        async def on_signal(self, message, **kwargs):
            """No client subscribes."""

        @on_signal.serializer
        def on_signal(self, signal, **kwargs):
            called.append(signal)

    await sync_to_async(signal.send)(sender=None)
    assert (called, Signalled.on_signal.name) == ([], "on_signal")


async def test_a_user_permission_that_is_removed_rejects_the_next_delivery(users) -> None:
    class MayView(BasePermission):
        def has_permission(self, request, view):
            return request.user.has_perm("auth.view_group")

    class Guarded(AllComments):
        permission_classes = [MayView]
        check_deliveries = True

    ada = users[0]
    permission = await Permission.objects.aget(codename="view_group")
    await ada.user_permissions.aadd(permission)
    async with client(Guarded, user=await User.objects.aget(pk=ada.pk)) as socket:
        assert await call(socket, "subscribe") == 201
        await ada.user_permissions.aremove(permission)
        await Comment.objects.acreate(text="a")
        assert (await receive(socket))[2] == 403
        assert await call(socket, "subscribe") == 403
