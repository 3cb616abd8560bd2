"""Clients that were away receive the changes they missed: `model_observer(history=…)`."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import transaction
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.history import History
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import model_observer
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


FOLLOW = {"action": "follow", "request_id": 7}


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["name"]


class Groups(AsyncAPIConsumer):
    rows = model_observer(Group, serializer_class=GroupSerializer, history=History(20))

    @action()
    async def follow(self, request_id):
        await self.rows.subscribe(request_id=request_id)
        return None, 201

    @action()
    async def unfollow(self, request_id):
        await self.rows.unsubscribe(request_id=request_id)
        return None, 204


class Client(SocketCommunicator):
    """A client that keeps its positions, as client.js does."""

    def __init__(self, consumer, **options):
        super().__init__(consumer.as_asgi(), dialect="action", recovery=True, **options)

    async def follow(self, request_id=7):
        """Follow the rows. Return the tag and the position."""
        await self.send_json({"action": "follow", "request_id": request_id})
        [(tag, position)] = (await self.receive_json())["$joined"].items()
        assert (await self.receive_json())["response_status"] == 201
        return tag, position

    async def resume(self, tag, position):
        """Ask for what was missed. Return those frames, and the result."""
        await self.send_json({"$resume": {tag: position}})
        frames = []
        while "$resumed" not in (frame := await self.receive_json()):
            frames.append(frame)
        return frames, frame["$resumed"][tag]

    async def change(self):
        """Return the next change: its position, request, action and data."""
        return shown(await self.receive_json())


def shown(frame):
    return frame["$at"], frame.get("request_id"), frame.get("action"), frame.get("data")


async def missed_by(consumer, change, **options):
    """Return what a client is sent that was away while `change()` ran."""
    async with Client(consumer, **options) as client:
        tag, position = await client.follow()
    await change()
    async with Client(consumer, **options) as client:
        assert (await client.follow())[0] == tag
        frames, result = await client.resume(tag, position)
    assert result == "ok"
    offsets = [frame["$at"] for frame in frames]
    assert offsets == [f"{tag}.{position[1] + n}" for n in range(1, len(frames) + 1)]
    return [(frame.get("action"), frame.get("data")) for frame in frames]


async def create(*names):
    for name in names:
        await Group.objects.acreate(name=name)


async def test_a_change_has_its_position():
    async with Client(Groups) as client:
        tag, (_epoch, offset) = await client.follow()
        await create("a")
        assert await client.change() == (f"{tag}.{offset + 1}", 7, "create", {"name": "a"})


async def test_a_client_that_comes_back_receives_the_changes_it_missed():
    async def change():
        await create("a", "b")
        await Group.objects.filter(name="a").adelete()

    frames = await missed_by(Groups, change)
    # The row "a" is gone: its creation is no news, and its deletion has what was deleted.
    assert frames == [(None, None), ("create", {"name": "b"}), ("delete", {"name": "a"})]


async def test_a_row_is_read_again_for_a_client_that_comes_back():
    async def change():
        row = await Group.objects.acreate(name="old")
        row.name = "new"
        await row.asave()

    frames = await missed_by(Groups, change)
    assert frames == [("create", {"name": "new"}), ("update", {"name": "new"})]


class Slow(Groups):
    @action()
    async def follow(self, request_id):
        await self.rows.subscribe(request_id=request_id)
        await Group.objects.acreate(name="meanwhile")
        return None, 201


async def test_the_position_comes_before_the_answer_and_changes_after_it():
    async with Client(Slow) as client:
        tag, (_epoch, offset) = await client.follow()
        assert (await client.change())[0] == f"{tag}.{offset + 1}"


async def test_the_requests_of_one_connection_have_positions_of_their_own():
    async with Client(Groups) as client:
        tag, (_epoch, offset) = await client.follow(1)
        other, _position = await client.follow(2)
        await create("a")
        changes = [(await client.change())[:2] for _ in range(2)]
    assert tag != other
    assert changes == [(f"{tag}.{offset + 1}", 1), (f"{other}.{offset + 1}", 2)]


async def test_a_client_does_not_learn_what_it_missed_of_a_request_that_is_not_its_own():
    async with Client(Groups) as client:
        tag, position = await client.follow(1)
    await create("a")
    async with Client(Groups) as client:
        await client.follow(2)
        assert await client.resume(tag, position) == ([], "gap")


async def test_a_client_that_was_away_for_too_long_is_told_of_the_gap():
    async with Client(Groups) as client:
        tag, position = await client.follow()
    await create(*map(str, range(25)))
    async with Client(Groups) as client:
        await client.follow()
        frames, result = await client.resume(tag, position)
        assert "gap" in (result, *(frame.get("$resumed") for frame in frames))


async def test_the_end_of_a_subscription_is_told():
    async with Client(Groups) as client:
        tag, _position = await client.follow()
        await client.send_json({"action": "unfollow", "request_id": 7})
        frames = [await client.receive_json() for _ in range(2)]
        assert {"$left": [tag]} in frames
        await create("a")
        await client.expect_nothing()


async def test_no_change_follows_the_end_of_a_subscription():
    reads, may_read = threading.Event(), threading.Event()

    class Slow(GroupSerializer):
        def to_representation(self, row):
            reads.set()
            may_read.wait(2)
            return super().to_representation(row)

    class SlowGroups(Groups):
        rows = model_observer(Group, serializer_class=Slow, history=History(20))

    async with Client(SlowGroups) as client:
        tag, _position = await client.follow()
        await create("a")
        await asyncio.to_thread(reads.wait, 2)
        await client.send_json({"action": "unfollow", "request_id": 7})
        assert {"$left": [tag]} in [await client.receive_json() for _ in range(2)]
        may_read.set()
        await client.expect_nothing()


class OnlyOpen(BasePermission):
    """Only groups whose name begins with "open" may be seen."""

    def has_permission(self, request, view):
        return True

    def has_object_permission(self, request, view, row):
        return row.name.startswith("open")


class Checked(Groups, GenericAsyncAPIConsumer):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    permission_classes = [OnlyOpen]
    check_deliveries = True
    rows = model_observer(Group, serializer_class=GroupSerializer, history=History(20))


async def test_what_was_missed_is_permitted_anew():
    async with Client(Checked) as client:
        tag, position = await client.follow()
    await create("open 1", "closed", "open 2")
    async with Client(Checked) as client:
        await client.follow()
        await client.send_json({"$resume": {tag: position}})
        assert (await client.receive_json())["data"] == {"name": "open 1"}
        assert await client.receive_json() == {"$left": [tag]}
        assert (await client.receive_json())["response_status"] == 403
        assert await client.receive_json() == {"$resumed": {tag: "gap"}}


class Own(serializers.ModelSerializer):
    """Shows each user something else."""

    seen_by = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = ["seen_by"]

    def get_seen_by(self, row):
        return f"{self.context['scope']['path']} {row.name}"


class PerUser(Groups):
    rows = model_observer(Group, serializer_class=Own, history=History(20))


async def test_each_client_receives_its_own_rendering():
    frames = await missed_by(PerUser, lambda: create("a"), path="/x/")
    assert frames == [("create", {"seen_by": "/x/ a"})]


class Published(Groups):
    rows = model_observer(Group, history=History(20))

    @rows.serializer
    def rows(self, instance, action):
        return {"then": instance.name, "action": str(action)}


async def test_what_the_saving_process_rendered_is_kept():
    async def change():
        row = await Group.objects.acreate(name="old")
        await Group.objects.filter(pk=row.pk).aupdate(name="new")

    frames = await missed_by(Published, change)
    assert frames == [("create", {"then": "old", "action": "create"})]


class ByLetter(Groups):
    rows = model_observer(Group, serializer_class=GroupSerializer, history=History(20))

    @rows.groups
    def rows(self, instance=None, **kwargs):
        yield "a" if instance is None else instance.name[:1]


async def test_a_row_that_leaves_the_group_is_no_news_of_it_any_more():
    async def change():
        row = await Group.objects.acreate(name="alder")
        row.name = "birch"
        await row.asave()

    assert await missed_by(ByLetter, change) == [(None, None), ("delete", {"name": "birch"})]


async def test_a_client_without_recovery_sees_the_frames_as_before():
    async with SocketCommunicator(Groups.as_asgi(), dialect="action") as client:
        await client.expect_reply(await client.call("follow"), status=201)
        row = await Group.objects.acreate(name="a")
        await client.expect_event(action="create", data={"name": "a"})
        await sync_to_async(row.delete)()
        await client.expect_event(action="delete")


async def test_a_transaction_that_is_rolled_back_keeps_nothing():
    assert await missed_by(Groups, sync_to_async(rolled_back)) == []


def rolled_back():
    with transaction.atomic():
        Group.objects.create(name="a")
        transaction.set_rollback(True)


async def test_the_database_keeps_changes_too(settings):
    settings.REST_CHANNELS = {"HISTORY": "database"}
    assert await missed_by(Groups, lambda: create("a")) == [("create", {"name": "a"})]


async def test_a_stream_of_a_multiplexer_receives_what_it_missed():
    streams = Multiplexer(groups=Groups.as_asgi())
    async with SocketCommunicator(streams, recovery=True) as client:
        await client.send_json({"stream": "groups", "payload": FOLLOW})
        [(tag, position)] = (await client.receive_json())["payload"]["$joined"].items()
    await create("a")
    async with SocketCommunicator(streams, recovery=True) as client:
        for payload in (FOLLOW, {"$resume": {tag: position}}):
            await client.send_json({"stream": "groups", "payload": payload})
        payloads = [(await client.receive_json())["payload"] for _ in range(4)]
    assert payloads[2]["data"] == {"name": "a"}
    assert payloads[3] == {"$resumed": {tag: "ok"}}


# Handlers, and consumers that send frames themselves.


class Handled(Groups):
    @model_observer(Group, serializer_class=GroupSerializer, history=History(20))
    async def rows(self, message, action, subscribing_request_ids, **kwargs):
        assert self.scope["path"] != "/fails/"
        for request_id in subscribing_request_ids:
            for name in message["name"].split():
                await self.reply(f"group_{action}", data=name, request_id=request_id)


async def test_a_handler_is_called_again_for_a_client_that_comes_back():
    frames = await missed_by(Handled, lambda: create("a", "b"))
    assert frames == [("group_create", "a"), ("group_create", "b")]


async def test_the_last_frame_of_a_handler_has_the_position():
    async with Client(Handled) as client:
        tag, (_epoch, offset) = await client.follow()
        await create("a b")
        assert "$at" not in await client.receive_json()
        assert (await client.receive_json())["$at"] == f"{tag}.{offset + 1}"


async def test_a_handler_that_sends_nothing_moves_the_position():
    assert await missed_by(Handled, lambda: create(" ")) == [(None, None)]


async def test_a_handler_that_fails_is_not_called_again_for_the_same_change(caplog):
    assert await missed_by(Handled, lambda: create("a"), path="/fails/") == [(None, None)]
    assert "AssertionError" in caplog.text


async def test_a_handler_is_called_for_each_subscription():
    async with Client(Handled) as client:
        await client.follow(1)
        await client.follow(2)
        await create("a")
        assert [(await client.change())[1:] for _ in range(2)] == [
            (1, "group_create", "a"),
            (2, "group_create", "a"),
        ]


class Sending(Groups):
    async def send_json(self, content, **kwargs):
        await super().send_json({**content, "sent": True}, **kwargs)


async def test_frames_of_a_consumer_that_sends_itself_have_a_position():
    async with Client(Sending) as client:
        tag, (_epoch, offset) = await client.follow()
        await create("a")
        frame = await client.receive_json()
        assert (frame["$at"], frame["sent"]) == (f"{tag}.{offset + 1}", True)


# What is refused.


@pytest.mark.parametrize("history", [0, True, "100", {"size": 1}])
def test_another_history_is_refused(history):
    with pytest.raises((TypeError, ValueError), match="History"):
        model_observer(Group, history=history)


def test_a_number_is_the_size_of_the_history():
    assert model_observer(Group, history=100).history == History(size=100)
