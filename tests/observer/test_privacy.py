"""What an attack on observers found: who was told what was not his, and who was told nothing."""

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
    Comments,
    CommentSerializer,
    Everything,
    asked,
    client,
    comment,
    people,
    told,
)

__all__ = ["comment", "people"]

pytestmark = pytest.mark.django_db(transaction=True)


async def all_told(socket, timeout=0.3):
    """All frames that come, until none does for so many seconds."""
    frames = []
    while (message := await socket._wait(timeout)) is not None:
        frames.append(orjson.loads(message["text"]) if "text" in message else message)
    return frames


def showing(look):
    """A serializer whose only field is what `look` makes of its context."""

    class Showing(serializers.ModelSerializer):
        seen = serializers.SerializerMethodField()

        class Meta:
            model = Comment
            fields = ["seen"]

        def get_seen(self, comment):
            return look(self.context)

    return Showing


class ByUser(Everything):
    comments = model_observer(Comment, serializer_class=CommentSerializer)

    @comments.groups_for_signal
    def comments(self, instance, **kwargs):
        yield str(instance.user_id)

    @comments.groups_for_consumer
    def comments(self, who=None, **kwargs):
        yield str(who)

    @action()
    async def subscribe(self, request_id, who):
        await self.comments.subscribe(who=who, request_id=request_id)
        return None, 201


@pytest.fixture
def switch():
    """A permission that can be taken away."""

    class Switch(BasePermission):
        on = True

        def has_permission(self, request, view):
            return Switch.on

    return Switch


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
async def test_a_row_of_another_database_is_another_row(comment) -> None:
    other = Comment(pk=comment.pk, text="secret")
    async with client() as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await other.asave(using="other", force_insert=True)
        await other.asave(using="other")
        await socket.expect_nothing()


@pytest.mark.parametrize("how", ["delete", "move"])
async def test_who_lost_his_right_is_not_told_what_became_of_a_row(people, switch, how) -> None:
    class Guarded(ByUser):
        permission_classes = [switch]
        check_deliveries = True

    comment = await Comment.objects.acreate(text="a", user=people[0])
    async with client(Guarded) as socket:
        await asked(socket, "subscribe", who=people[0].pk)
        switch.on, comment.text, comment.user = False, "secret", people[1]
        await (comment.adelete() if how == "delete" else comment.asave())
        [frame] = await all_told(socket)
        assert (frame["response_status"], frame["data"]) == (403, None)


async def test_of_a_deleted_row_only_the_key_is_told_where_permissions_are_asked(switch) -> None:
    class Guarded(Everything):
        permission_classes = [switch]
        check_deliveries = True

    comment = await Comment.objects.acreate(text="secret")
    async with client(Guarded) as socket:
        await asked(socket, "subscribe")
        pk = comment.pk
        await comment.adelete()
        assert await told(socket) == ("delete", 7, 204, {"pk": pk})


async def test_a_signal_asks_for_permission_as_well(switch) -> None:
    signal = Signal()

    class Guarded(AsyncAPIConsumer):
        permission_classes = [switch]
        check_deliveries = True

        @observer(signal)
        async def heard(self, message, **kwargs):
            await self.send_json("told")

        @action()
        async def subscribe(self, request_id):
            await self.heard.subscribe(request_id=request_id)
            return None, 201

    async with client(Guarded) as socket:
        await asked(socket, "subscribe")
        switch.on = False
        for _ in range(2):
            await sync_to_async(signal.send)(sender=None)
        assert [frame["response_status"] for frame in await all_told(socket)] == [403]


@pytest.mark.parametrize("says", ["queryset", "serializer_class"])
async def test_what_an_instance_says_counts(people, says) -> None:
    class Own(Comments):
        async def connect(self):
            if says == "queryset":
                self.queryset = Comment.objects.filter(user=self.scope["user"])
            else:
                self.serializer_class = showing(lambda context: "own")

    comment = await Comment.objects.acreate(text="a", user=people[0])
    async with client(Own, user=people[0]) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        comment.user = people[1]
        await comment.asave()
        expected = ["Not found"] if says == "queryset" else {"seen": "own"}
        assert (await told(socket))[3] == expected


async def test_a_class_may_have_properties(comment) -> None:
    class Own(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = Comment.objects.all()

        @property
        def serializer_class(self):
            return CommentSerializer

    async with client(Own) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await told(socket))[3] == {"id": comment.pk, "text": "a"}


@pytest.mark.parametrize("key", ["auth", "session", "team"])
async def test_two_connections_of_one_user_may_be_two_persons(comment, people, key) -> None:
    class Own(Comments):
        serializer_class = showing(lambda c: c["scope"][key] if "scope" in c else None)

    one, two = client(Own, user=people[0]), client(Own, user=people[0])
    one.scope[key], two.scope[key] = "full", "limited"
    async with one, two:
        for socket in (one, two):
            await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        seen = [(await told(socket))[3]["seen"] for socket in (one, two)]
        assert seen == ["full", "limited"]


async def test_two_requests_of_one_connection_may_ask_for_different_things(comment, people) -> None:
    class Own(Comments):
        serializer_class = showing(lambda context: context.get("short"))

        def get_serializer_context(self, short=None, **kwargs):
            return {"short": short}

    async with client(Own, user=people[0]) as socket:
        for number in (1, 2):
            await asked(socket, "subscribe_instance", number, pk=comment.pk, short=number)
        await comment.asave()
        frames = [(frame["request_id"], frame["data"]) for frame in await all_told(socket)]
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
async def test_a_serializer_cannot_look_unseen(comment, people, reading) -> None:
    class Own(Comments):
        serializer_class = showing(lambda c: str(getattr(READINGS[reading](c), "user", None)))

        def get_serializer_context(self, **kwargs):
            return {"request": self.request}

    async with client(Own, user=people[0]) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await told(socket))[3] == {"seen": "ada"}


async def test_a_stale_instance_tells_no_group_of_a_row_that_is_not_there(people) -> None:
    comment = await Comment.objects.acreate(text="a", user=people[0])
    stale = await Comment.objects.aget(pk=comment.pk)
    comment.user, comment.text = people[1], "secret"
    await comment.asave()
    async with client(ByUser) as socket:
        await asked(socket, "subscribe", who=people[0].pk)
        await stale.asave(update_fields=["date"])
        await socket.expect_nothing()


@pytest.mark.parametrize("own", [False, True])
async def test_nothing_comes_after_the_reply_that_ends_it(comment, own) -> None:
    def slow(context):
        time.sleep(0.2)
        return own and context.get("request") is None

    class Slow(Comments):
        serializer_class = showing(slow)

    async with client(Slow) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        await asyncio.sleep(0.05)
        assert await asked(socket, "unsubscribe_instance", pk=comment.pk) == 204
        assert await all_told(socket, 0.5) == []


async def test_who_comes_later_is_not_told_what_was_before() -> None:
    class Slow(Everything):
        comments = model_observer(Comment, serializer_class=showing(lambda _: time.sleep(0.1)))

    async with client(Slow) as socket:
        await asked(socket, "subscribe")
        for _ in range(5):
            await Comment.objects.acreate(text="old")
    async with client(Slow) as socket:
        await asked(socket, "subscribe")
        await Comment.objects.acreate(text="new")
        assert len(await all_told(socket, 0.5)) == 1


async def test_a_signal_may_be_sent_from_anywhere() -> None:
    signal = Signal()

    class Heard(AsyncAPIConsumer):
        @observer(signal)
        async def heard(self, message, **kwargs):
            await self.send_json("told")

        async def connect(self):
            await self.heard.subscribe()

    async with client(Heard) as socket:
        signal.send(sender=None)
        await sync_to_async(signal.send)(sender=None, using="card")
        assert await all_told(socket) == ["told", "told"]


async def test_an_error_for_some_is_no_silence_for_others(comment) -> None:
    class Failing(Comments):
        serializer_class = showing(lambda _: 1 / 0)

    async with client(Failing) as one, client() as two:
        for socket in (one, two):
            await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        assert (await told(two))[0] == "update"


async def test_who_subscribed_in_an_action_that_timed_out_is_told(comment, settings) -> None:
    settings.REST_CHANNELS = {"HANDLER_TIMEOUT": 0.3}

    class Slow(Everything):
        @action()
        async def subscribe(self, request_id):
            await self.comments.subscribe(request_id=request_id)
            await asyncio.sleep(5)

    async with client(Slow) as socket:
        assert await asked(socket, "subscribe") == 504
        await comment.asave()
        assert (await told(socket))[0] == "update"


async def test_a_handler_may_subscribe() -> None:
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
        await asked(socket, "subscribe")
        await Comment.objects.acreate(text="a")
        assert await socket.receive_json() == "subscribed"
        await Tag.objects.acreate(name="a")
        assert (await told(socket))[:2] == ("create", "tags")


async def test_a_long_action_holds_only_its_own_subscription(comment) -> None:
    class Detached(Everything):
        tags = model_observer(Tag)

        @action(detached=True)
        async def watch(self, request_id):
            await self.tags.subscribe(request_id=request_id)
            await asyncio.sleep(0.3)
            return None, 201

    async with client(Detached) as socket:
        await asked(socket, "subscribe", 1)
        await socket.send_json({"action": "watch", "request_id": 2})
        await asyncio.sleep(0.05)
        for number in range(3):
            await Tag.objects.acreate(name=f"{number}")
        await comment.asave()
        frames = [await socket.receive_json() for _ in range(5)]
        said = [(frame["action"], frame["request_id"]) for frame in frames]
        assert said == [("update", 1), ("watch", 2), *[("create", 2)] * 3]


async def test_a_lane_that_is_full_is_a_gap_for_who_minds(settings) -> None:
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
        await asked(socket, "subscribe")
        await Comment.objects.abulk_create([Comment(text="a") for _ in range(100)])
        frames = await all_told(socket)
        assert "gap" in frames
        assert len(frames) < 50


async def test_an_update_of_a_row_that_is_gone_is_not_a_refusal(comment) -> None:
    class Slow(Comments):
        def get_queryset(self, **kwargs):
            time.sleep(0.1)
            return Comment.objects.all()

    async with client(Slow) as socket:
        await asked(socket, "subscribe_instance", pk=comment.pk)
        await comment.asave()
        await asyncio.sleep(0.05)
        await comment.adelete()
        assert [frame["action"] for frame in await all_told(socket)][-1] == "delete"


async def test_a_row_that_was_renamed_is_still_the_row(comment) -> None:
    class Named(Comments):
        lookup_field = "text"

        def get_object(self, **kwargs):
            return super().get_object(**kwargs)

    async with client(Named) as socket:
        await asked(socket, "subscribe_instance", text="a")
        comment.text = "b"
        await comment.asave()
        assert (await told(socket))[3] == {"id": comment.pk, "text": "b"}


async def test_a_subclass_may_part_an_observer_of_its_base(people) -> None:
    class Base(AsyncAPIConsumer):
        comments = model_observer(Comment, serializer_class=CommentSerializer)

    class Parted(Base):
        @Base.comments.groups_for_signal
        def comments(self, instance, **kwargs):
            yield str(instance.user_id)

        @comments.groups_for_consumer
        def comments(self, who=None, **kwargs):
            yield str(who)

        subscribe = ByUser.subscribe

    assert Base.comments.id != Parted.comments.id
    assert Base.comments._labels_for_signal is None
    comment = await Comment.objects.acreate(text="a", user=people[0])
    async with client(Parted) as socket:
        await asked(socket, "subscribe", who=people[0].pk)
        comment = await Comment.objects.aget(pk=comment.pk)
        comment.user = people[1]
        await comment.asave()
        assert (await told(socket))[0] == "delete"


async def test_a_serializer_that_failed_where_the_row_was_saved_is_not_tried_elsewhere() -> None:
    calls = []

    class Failing(Everything):
        comments = model_observer(Comment)

        @comments.serializer
        def comments(self, instance, action, **kwargs):
            calls.append(instance)
            raise ValueError

    async with client(Failing) as socket:
        await asked(socket, "subscribe")
        await Comment.objects.acreate(text="a")
        await socket.expect_nothing()
    assert len(calls) == 1


async def test_true_and_one_are_two_requests(comment) -> None:
    async with client() as socket:
        for request_id in (1, True):
            await asked(socket, "subscribe_instance", request_id, pk=comment.pk)
        await asked(socket, "unsubscribe_instance", 1, pk=comment.pk)
        await comment.asave()
        assert [frame["request_id"] for frame in await all_told(socket)] == [True]


async def test_a_consumer_without_a_model_has_a_context(comment, people) -> None:
    class Own(Everything):
        comments = model_observer(
            Comment, serializer_class=showing(lambda c: str(c["request"].user))
        )

    async with client(Own, user=people[0]) as socket:
        await asked(socket, "subscribe")
        await comment.asave()
        assert (await told(socket))[3] == {"seen": "ada"}


async def test_where_nobody_listens_a_signal_is_not_serialized() -> None:
    signal, called = Signal(), []

    class Heard(AsyncAPIConsumer):
        @observer(signal)
        async def heard(self, message, **kwargs):
            """Nobody subscribes."""

        @heard.serializer
        def heard(self, signal, **kwargs):
            called.append(signal)

    await sync_to_async(signal.send)(sender=None)
    assert (called, Heard.heard.name) == ([], "heard")


async def test_a_permission_of_djangos_that_was_taken_away_is_missed_at_once(people) -> None:
    class MayView(BasePermission):
        def has_permission(self, request, view):
            return request.user.has_perm("auth.view_group")

    class Guarded(Everything):
        permission_classes = [MayView]
        check_deliveries = True

    ada = people[0]
    right = await Permission.objects.aget(codename="view_group")
    await ada.user_permissions.aadd(right)
    async with client(Guarded, user=await User.objects.aget(pk=ada.pk)) as socket:
        assert await asked(socket, "subscribe") == 201
        await ada.user_permissions.aremove(right)
        await Comment.objects.acreate(text="a")
        assert (await told(socket))[2] == 403
        assert await asked(socket, "subscribe") == 403
