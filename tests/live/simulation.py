"""A simulation: threads write in all ways, clients come and go, and at rest each list is right."""

import asyncio
import contextlib
import random
import time
from unittest.mock import patch

import orjson
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import Error, OperationalError, connection, transaction
from rest_framework import serializers

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import RevocationIndex
from rest_channels.live import lane, rights, schedule
from rest_channels.live.lane import LiveLane
from rest_channels.live.row_index import RowIndex
from rest_channels.live.shared_query import SharedQuery
from rest_channels.observer import live_query
from tests.observer.models import Comment, Message, Room

from .client import LiveList, client
from .rows import members_of


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text", "user"]


class MessageSerializer(serializers.ModelSerializer):
    room = serializers.CharField(source="room.name")

    class Meta:
        model = Message
        fields = ["id", "text", "room"]


class Rooms(serializers.ModelSerializer):
    class Meta:
        model = Room
        fields = ["id", "name"]


class TextSerializer(serializers.ModelSerializer):
    class Meta:
        model = Message
        fields = ["id", "text", "user"]


class Lists(AsyncAPIConsumer):
    """Kinds of queries. Those of several users of the last two kinds are read together."""

    @live_query(serializer_class=CommentSerializer)
    def filtered(self):
        return Comment.objects.filter(text__lt="e").order_by("text", "pk")

    @live_query(serializer_class=CommentSerializer)
    def window(self):
        return Comment.objects.order_by("-text", "pk")[:4]

    @live_query(serializer_class=MessageSerializer)
    def own(self):
        user = self.scope["user"]
        rows = Message.objects.filter(room__current_users=user).select_related("room")
        return rows.order_by("room__name", "pk")

    @live_query(serializer_class=MessageSerializer, viewers=members_of)
    def seen(self):
        rows = Message.objects.filter(room__current_users=self.scope["user"])
        return rows.select_related("room").order_by("-pk")

    @live_query(serializer_class=Rooms)
    def subquery(self):
        return Room.objects.filter(
            pk__in=Message.objects.filter(text__gte="d").values("room")
        ).order_by("name")

    @live_query(serializer_class=CommentSerializer)
    def joined(self):
        return Comment.objects.filter(user__is_staff=True).order_by("-user__username", "text", "pk")

    @live_query(serializer_class=CommentSerializer)
    def offset(self):
        return Comment.objects.exclude(user=None).order_by("pk")[2:6]

    @live_query(serializer_class=TextSerializer)
    def members(self):
        rows = Message.objects.filter(room__current_users=self.scope["user"])
        return rows.order_by("text", "-pk")[:4]

    @live_query(serializer_class=CommentSerializer)
    def others(self):
        return Comment.objects.exclude(user=self.scope["user"]).order_by("text", "-pk")[:5]

    @action()
    async def watch(self, request_id, kind, have=None):
        return await getattr(self, kind).subscribe(request_id=request_id, have=have), 201


KINDS = ("filtered", "window", "own", "seen", "subquery", "joined", "offset")
KINDS += 3 * ("members",) + 3 * ("others",)
LETTERS = "abcdefgh"


class Writer:
    """Writes random rows in a thread of its own."""

    def __init__(self, seed, users):
        self.chance, self.users = random.Random(seed), users

    def write(self, times):
        try:
            for _ in range(times):
                with contextlib.suppress(Error, LookupError):
                    self.chance.choice(
                        [self.alone, self.together, self.rolled_back, self.in_a_savepoint]
                    )()
        finally:
            connection.close()

    def write_related(self):
        """Write, as the last of all, only rows that lists depend on and do not have."""
        try:
            for step in (self.promote, self.join, self.leave, self.write_message, self.promote):
                step()
        finally:
            connection.close()

    def alone(self):
        self.chance.choice(self.steps)()

    def together(self):
        with transaction.atomic():
            for _ in range(self.chance.randint(1, 4)):
                self.alone()

    def rolled_back(self):
        with transaction.atomic():
            self.alone()
            raise LookupError

    def in_a_savepoint(self):
        with transaction.atomic():
            with contextlib.suppress(LookupError):
                self.rolled_back()
            self.alone()

    @property
    def steps(self):
        return [
            self.create,
            self.save,
            self.save,
            self.delete,
            self.update_many,
            self.create_many,
            self.write_message,
            self.edit_message,
            self.edit_message,
            self.rename_room,
            self.join,
            self.leave,
            self.promote,
            self.delete_user,
            self.delete_room,
        ]

    def letter(self):
        return self.chance.choice(LETTERS)

    def any(self, model):
        keys = [*model.objects.values_list("pk", flat=True)]
        return model.objects.filter(pk=self.chance.choice(keys)).first() if keys else None

    def user(self):
        return self.chance.choice([*self.users, None])

    def create(self):
        Comment.objects.create(text=self.letter(), user=self.user())

    def save(self):
        if comment := self.any(Comment):
            comment.text = self.letter()
            comment.save()

    def delete(self):
        if comment := self.any(Comment):
            comment.delete()

    def update_many(self):
        Comment.objects.filter(text=self.letter()).update(text=self.letter())

    def create_many(self):
        Comment.objects.bulk_create(
            [Comment(text=self.letter(), user=self.user()) for _ in range(2)]
        )

    def write_message(self):
        if room := self.any(Room):
            user = self.chance.choice(self.users)
            Message.objects.create(room=room, text=self.letter(), user=user)

    def edit_message(self):
        if message := self.any(Message):
            message.text = self.letter()
            message.save()

    def rename_room(self):
        if room := self.any(Room):
            room.name = f"{self.letter()}{self.chance.random()}"
            room.save()
        else:
            Room.objects.create(name=f"a{self.chance.random()}", host=self.users[0])

    def join(self):
        if room := self.any(Room):
            room.current_users.add(self.chance.choice(self.users))

    def leave(self):
        if room := self.any(Room):
            room.current_users.remove(self.chance.choice(self.users))

    def promote(self):
        user = User.objects.get(pk=self.chance.choice(self.users).pk)
        user.is_staff = not user.is_staff
        user.save()

    def delete_user(self):
        user = User.objects.create(username=f"u{self.chance.random()}", is_staff=True)
        Comment.objects.create(text=self.letter(), user=user)
        user.delete()

    def delete_room(self):
        if room := self.any(Room):
            room.delete()


class RowWriter(Writer):
    """Writes rows that have keys, so that lists can be read together."""

    @property
    def steps(self):
        return [
            self.create,
            self.save,
            self.save,
            self.delete,
            self.write_message,
            self.edit_message,
            self.edit_message,
            self.delete_message,
        ]

    def delete_message(self):
        if message := self.any(Message):
            message.delete()


class Reader:
    """One client, which may come back with what it has."""

    def __init__(self, user, kind):
        self.user, self.kind, self.list = user, kind, None

    async def come(self):
        self.socket = client(Lists, user=self.user, timeout=20)
        await self.socket.connect()
        have = {}
        if self.list is not None:
            self.list.order.sort()  # as JavaScript orders numbers: the reply is relative to it
            have = {"have": self.list.have}
        call = await self.socket.call("watch", kind=self.kind, **have)
        reply = await self.socket.expect_reply(call, status=201)
        if self.list is None:
            self.list = LiveList(self.socket, reply["data"], call)
        else:
            self.list.socket, self.list.request_id = self.socket, call
            self.list.apply(reply["data"])

    async def leave(self):
        await self.drain(0)
        await self.socket.disconnect()

    async def drain(self, seconds):
        """Apply what has come, and what comes until nothing has come for so long."""
        while (message := await self.socket._wait(seconds)) is not None:
            frame = orjson.loads(message["text"])
            assert frame["action"] == "diff", frame
            self.list.apply(frame["data"])

    def expected(self):
        """What the queryset returns now, rendered."""
        consumer = Lists()
        consumer.scope = {"user": self.user}
        query = vars(Lists)[self.kind]
        rows = query.function(consumer)
        return [dict(query.sharing.serializer_class(row).data) for row in rows]


async def rest():
    """Wait until all that was written has been read, also by readings that are tried again."""
    quiet = 0.0
    async with asyncio.timeout(60):
        while quiet < 3 * RETRY_TIME:
            await asyncio.sleep(0.01)
            quiet = 0.0 if is_busy(current_hub()) else quiet + 0.01


def is_busy(hub):
    """Whether anything of live lists is under way, apart from timers."""
    lives, checks = hub.get_component(LiveLane), hub.get_component(RevocationIndex).checks()
    queues = [member.event_queue for member in hub.members.values()]
    return (
        lives._task is not None
        or lives._calls._running.total() > 0
        or bool(lives._schedule._due or lives._suspended or checks)
        or any(queue is not None and queue.busy for queue in queues)
    )


RETRY_TIME = 0.05
"""Seconds after which readings that have failed are tried again in a simulation."""


@contextlib.contextmanager
def trouble(seed, share):
    """Let this share of all that threads read for lists be slow, or fail for a while."""
    chance = random.Random(f"{seed}.trouble")
    read, look_up, find = SharedQuery.read, RowIndex.read, rights._find_queries

    def be_slow():
        if chance.random() < share:
            time.sleep(chance.random() / 20)

    def fail():
        if chance.random() < share / 2:
            raise OperationalError("The database does not answer.")

    def read_slowly(query, reading):
        be_slow()
        if all(each.answer is None for each in reading.waiting):  # a new client gets the error
            fail()
        read(query, reading)
        be_slow()

    def look_up_slowly(index, *args):
        be_slow()
        fail()
        found = look_up(index, *args)
        be_slow()
        return found

    def find_slowly(subscriptions):
        be_slow()
        if chance.random() < share / 2:
            return [], subscriptions
        found = find(subscriptions)
        be_slow()
        return found

    with (
        patch.object(SharedQuery, "read", read_slowly),
        patch.object(RowIndex, "read", look_up_slowly),
        patch.object(rights, "_find_queries", find_slowly),
        patch.object(rights, "RETRY_TIME", RETRY_TIME),
        patch.object(lane, "RETRY_TIME", RETRY_TIME),
        patch.object(schedule, "SLOW_TIME", 0.02),
        patch.object(lane, "PATIENCE", 0.02),
    ):
        yield


async def simulate(seed, *, readers=20, writers=3, times=25, share=0.0):
    """Run one simulation. Raise `AssertionError` for a list that is wrong at rest.

    `share`: how much of what is read for lists is slow, or fails for a while.
    """
    with trouble(seed, share):
        await run(seed, readers, writers, times)


async def run(seed, readers, writers, times):
    chance = random.Random(seed)
    users = [await User.objects.acreate_user(f"user{number}") for number in range(3)]
    for name in ("a", "b"):
        room = await Room.objects.acreate(name=name, host=users[0])
        await room.current_users.aadd(*users)
    threads = [
        asyncio.create_task(asyncio.to_thread(Writer(f"{seed}.{number}", users).write, times))
        for number in range(writers)
    ]
    present = []
    for number in range(readers):
        reader = Reader(users[number % len(users)], KINDS[number % len(KINDS)])
        await reader.come()
        present.append(reader)
        if chance.random() < 0.3:
            again = chance.choice(present)
            await again.leave()
            await asyncio.sleep(chance.random() / 50)
            await again.come()
    await asyncio.gather(*threads)
    for number in range(8):
        names = [f"{seed}.{number}.{each}" for each in range(writers)]
        writing = (asyncio.to_thread(RowWriter(name, users).write, 1) for name in names)
        await asyncio.gather(*writing)
        await asyncio.sleep(chance.random() / 50)
    await asyncio.to_thread(Writer(f"{seed}.end", users).write_related)
    await rest()
    for reader in present:
        await reader.drain(0.05)
    wrong = []
    for reader in present:
        expected = await sync_to_async(reader.expected)()
        found = [reader.list.rows[key][0] for key in reader.list.order]
        if found != expected:
            wrong.append((reader.kind, found, expected))
        await reader.socket.disconnect()
    assert not wrong, wrong
