"""Hubs, clients and rows for the simulation of observers with a history.

Hubs, connections, consumers and the observer are real. Only the transport between hubs, the store's
failures and the clock are made up, and what runs in threads runs on the loop, a little later.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import Group
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.history_writer import HistoryWriter
from rest_channels.engine.hub import Hub
from rest_channels.engine.recovery import Recovery
from rest_channels.history import History
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.observer import model_observer
from rest_channels.protocol.messages import Event
from rest_channels.protocol.recovery_frames import tag_of
from tests.recovery.client import Client, Tag
from tests.recovery.simulation import FaultyStore, _View
from tests.recovery.threads import no_loop, threads_on_loop

LETTERS = "abc"
KEPT = History(size=60, age=60)
STALE = 3.0
"""Seconds that a rendered change may take to its client."""


class RowSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class OwnSerializer(RowSerializer):
    """Shows each client something else."""

    path = serializers.SerializerMethodField()

    class Meta(RowSerializer.Meta):
        fields = ["id", "name", "path"]

    def get_path(self, row: Group) -> str:
        path: str = self.context["scope"]["path"]
        return path


class OnlyOpen(BasePermission):
    """Only rows whose name ends with "open" may be seen."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return True

    def has_object_permission(self, request: Any, view: Any, row: Group) -> bool:
        return row.name.endswith("open")


def letter_of(name: str) -> str:
    return name[0]


def rows_of(serializer_class: Any) -> Any:
    """Return an observer whose groups are the first letters of names."""
    observer = model_observer(Group, serializer_class=serializer_class, history=KEPT)

    @observer.groups_for_signal
    def for_signal(self: Any, instance: Group, **kwargs: Any) -> Iterator[str]:
        yield letter_of(instance.name)

    @for_signal.groups_for_consumer
    def for_consumer(self: Any, letter: str, **kwargs: Any) -> Iterator[str]:
        yield letter

    return for_consumer


class Rows(AsyncAPIConsumer):
    """All clients see the same."""

    rows = rows_of(RowSerializer)

    @action()
    async def follow(self, request_id: int, letter: str) -> tuple[None, int]:
        await self.rows.subscribe(letter, request_id=request_id)
        return None, 201

    @action()
    async def unfollow(self, request_id: int, letter: str) -> tuple[None, int]:
        await self.rows.unsubscribe(letter, request_id=request_id)
        return None, 204


class CheckedRows(Rows, GenericAsyncAPIConsumer):
    """Each client sees its own, and only what it may see."""

    queryset = Group.objects.all()
    serializer_class = OwnSerializer
    permission_classes = [OnlyOpen]
    check_deliveries = True
    rows = rows_of(OwnSerializer)


CLASSES = (Rows, CheckedRows)
GROUPS = tuple(owner.rows.group(letter) for owner in CLASSES for letter in LETTERS)


class Following:
    """A subscription of a client, which it makes anew on each connection."""

    def __init__(self, owner: Any, request_id: int, letter: str) -> None:
        self.request_id = request_id
        self.letter = letter
        self.group = owner.rows.group(letter)
        self.tag = tag_of(f"{self.group}|{request_id}}}")

    def frame(self, name: str) -> dict[str, Any]:
        return {"action": name, "request_id": self.request_id, "letter": self.letter}


class RowClient(Client):
    """A client with a few subscriptions. `errors` receives what must not have come."""

    def __init__(self, world: "RowWorld", owner: Any) -> None:
        super().__init__(world.random)
        self.world = world
        self.owner = owner
        letters = [world.random.choice(LETTERS) for _ in range(2)]
        letters.append(letters[0])  # two requests follow the same group
        self.following = [Following(owner, n, each) for n, each in enumerate(letters, 1)]
        self.by_tag = {each.tag: each for each in self.following}
        self.by_request = {each.request_id: each for each in self.following}
        self.tags = {tag: Tag() for tag in self.by_tag}
        self.socket: Socket | None = None

    def receive(self, text: str) -> None:
        try:
            frame = json.loads(text)
            if "$left" in frame:
                for name in frame["$left"]:
                    self._left(name)
            else:
                super().receive(text)
        except Exception as error:  # noqa: BLE001 - a test reports it
            self.world.errors.append((self, text, error))

    def _left(self, name: str) -> None:
        tag = self.tags[name]
        tag.drop_held()
        tag.epoch, tag.offset, tag.joined, tag.is_asking = None, 0, ("", 0), False
        tag.past, tag.is_ended = [], False
        tag.log.append(("left",))

    def plain(self, frame: Any) -> None:
        if frame.get("action") in ("create", "update", "delete"):
            tag = self.tags[self.by_request[frame["request_id"]].tag]
            tag.log.append(("plain", json.dumps(frame)))


class Socket:
    """One connection of a client to a hub, with delays in both directions."""

    def __init__(self, world: "RowWorld", hub: Hub, client: RowClient) -> None:
        self.world = world
        self.client = client
        self.is_open = True
        self._next = {"in": 0.0, "out": 0.0}
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        client.socket = self
        self._inbox.put_nowait({"type": "websocket.connect"})
        world.hub_of_next = hub  # the connection is made now
        scope = {"type": "websocket", "path": f"/{id(client)}/", "headers": [], "query_string": b""}
        running: Any = client.owner.as_asgi()(scope, self._inbox.get, self._sent)
        self.task = world.loop.create_task(running)

    def _accepted(self) -> None:
        self.client.connect(self.send)
        for each in self.client.following:
            self.send_json(each.frame("follow"))

    def send_json(self, content: Any) -> None:
        self.send(json.dumps(content))

    def send(self, text: str) -> None:
        frame = {"type": "websocket.receive", "text": text}
        self._later("in", lambda: self._inbox.put_nowait(frame))

    async def _sent(self, message: dict[str, Any]) -> None:
        if text := message.get("text"):
            self.world.check_sent(self.client, json.loads(text))
            self._later("out", lambda: self.client.receive(text))
        elif message["type"] == "websocket.accept":
            self._later("out", self._accepted)
        elif message["type"] == "websocket.close":
            self.world.errors.append((self.client, message))

    def _later(self, direction: str, call: Callable[[], None]) -> None:
        loop = self.world.loop
        at = max(self._next[direction], loop.time() + self.world.delay(0.05))
        self._next[direction] = at + 1e-6
        loop.call_at(at, lambda: self.is_open and call())

    def close(self) -> None:
        self.is_open = False
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self.client.socket = None
        self.client.disconnect()
        self.world.ending.append(self.task)


class RowWorld:
    """All hubs, clients and rows."""

    def __init__(self, seed: int, clients: int = 10) -> None:
        self.random = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.pace = 1.0
        self.store = FaultyStore(MemoryStore(), self.random)
        self.errors: list[Any] = []
        self.ending: list[asyncio.Task[None]] = []
        self.hub_of_next: Hub | None = None
        self.names: dict[int, list[tuple[float, str | None]]] = {}
        self.count = 0
        self.shown = 0
        self.may_repeat = True  # two changes may be shown in the same way
        self.loss = 0.05
        self.thread_delay = 0.02
        self.stale = STALE
        self.hubs = [Hub(self.loop) for _ in range(3)]
        self.silent_until = dict.fromkeys(self.hubs, 0.0)
        self.writers = []
        for hub in self.hubs:
            deliver = hub._deliver_rendered
            services = hub.start_task, hub._members_of, deliver, lambda: self.store
            hub.recovery = Recovery(*services)
            self.writers.append(self._writer_of(hub))
        self.clients = [RowClient(self, self.random.choice(CLASSES)) for _ in range(clients)]

    def _writer_of(self, hub: Hub) -> HistoryWriter:
        def hand_on(event: Event) -> None:
            for other in self.hubs:
                if other is not hub:
                    self.transport(other, event)
            hub.receive(event)

        notes = hub.recovery.note_append, hub.recovery.note_doubt
        unnumbered = hub.publish_unnumbered
        return HistoryWriter(hub.node, hand_on, unnumbered, *notes, lambda: self.store)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Let connections find their hubs, changes the writers, and threads' work the loop."""
        with ExitStack() as stack:
            for name, value in (
                ("rest_channels.engine.connection.current_hub", lambda: self.hub_of_next),
                ("rest_channels.observer.delivery.publish.publish_all_kept", self._publish),
            ):
                stack.enter_context(patch(name, value))
            stack.enter_context(threads_on_loop(lambda: self.delay(self.thread_delay)))
            yield

    def _publish(self, messages: Sequence[tuple[Event, History]]) -> None:
        messages = [each for each in messages if each[0].group in GROUPS]
        if self.random.random() < 0.05:  # this process is killed before it sends
            self.loop.create_task(self._append_only(messages))
            return
        writer = self.random.choice(self.writers)
        for event, history in messages:
            self.loop.call_soon(writer.put, event, history)

    async def _append_only(self, messages: Sequence[tuple[Event, History]]) -> None:
        for event, history in messages:
            self.count += 1
            name = f"killed {self.count}"
            await self.store.store.append(event.group, event.text or "", history, name, 1)

    def delay(self, seconds: float) -> float:
        return self.random.uniform(0, seconds)

    def transport(self, hub: Hub, event: Event) -> None:
        if self.loop.time() < self.silent_until[hub] or self.random.random() < self.loss:
            return
        for _ in range(2 if self.random.random() < 0.05 else 1):
            self.loop.call_later(self.delay(0.04), hub.receive, event)

    # What happens.

    async def run(
        self, seconds: float, failures: Sequence[Callable[["RowWorld"], Awaitable[None]]]
    ) -> None:
        for client in self.clients:
            self.connect(client)
        works = self._change_often(), self._move_often(), self._fail(failures)
        tasks = [asyncio.create_task(work) for work in works]
        await asyncio.sleep(seconds)
        for task in tasks[:2]:
            task.cancel()
        await tasks[2]
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                self.errors.append(task.exception())

    def connect(self, client: RowClient) -> None:
        Socket(self, self.random.choice(self.hubs), client)

    async def _change_often(self) -> None:
        while True:
            for _ in range(self.random.choice([1, 1, 2, 10])):
                self._change()
            await asyncio.sleep(self.delay(0.2))

    def _change(self) -> None:
        """Create, update, move, hide or delete a row."""
        self.count += 1
        present = [pk for pk, names in self.names.items() if names[-1][1] is not None]
        pk = self.random.choice(present) if len(present) > 8 else None
        with no_loop():
            if pk is not None and self.random.random() < 0.2:
                Group.objects.get(pk=pk).delete()
                self._note(pk, None)
            elif pk is None:
                name = self._name(self.random.choice(LETTERS))
                self._note(Group.objects.create(name=name).pk, name)
            else:
                row = Group.objects.get(pk=pk)
                moves = self.random.random() < 0.3
                row.name = self._name(self.random.choice(LETTERS) if moves else row.name[0])
                row.save()
                self._note(pk, row.name)

    def _name(self, letter: str) -> str:
        return f"{letter} {self.count} {'closed' if self.random.random() < 0.03 else 'open'}"

    def _note(self, pk: int, name: str | None) -> None:
        now = asyncio.events._get_running_loop() or self.loop
        self.names.setdefault(pk, []).append((now.time(), name))

    async def _move_often(self) -> None:
        while True:
            await asyncio.sleep(self.delay(0.3))
            client = self.random.choice(self.clients)
            if client.send is not None and client.socket is not None and self.random.random() < 0.3:
                each = self.random.choice(client.following)
                client.socket.send_json(each.frame("unfollow"))
                client.socket.send_json(each.frame("follow"))
                continue
            if client.socket is not None:
                client.socket.close()
            if self.random.random() < 0.7:
                self.connect(client)

    async def _fail(self, failures: Sequence[Callable[["RowWorld"], Awaitable[None]]]) -> None:
        for failure in failures:
            await asyncio.sleep(self.delay(1.0))
            await failure(self)

    async def settle(self, timeout: float = 20) -> None:
        """Connect all clients anew, and wait until all have what the store has."""
        self.store.failing, self.store.is_down = 0, False
        with no_loop():
            for row in Group.objects.filter(name__endswith="closed"):
                self.count += 1
                row.name = f"{row.name[0]} {self.count} open"
                row.save()
                self._note(row.pk, row.name)
        for client in self.clients:
            if client.socket is not None:
                client.socket.close()
            self.connect(client)
        deadline = self.loop.time() + timeout
        while unsettled := await self._unsettled():
            if self.loop.time() > deadline:
                self.errors.append(f"not settled: {unsettled}")
                return
            await asyncio.sleep(0.05)

    async def _unsettled(self) -> list[Any]:
        if any(each._waiting or each._owed for each in self.writers) or self.store.late:
            return ["writers"]
        stored = {group: await self.store.store.position(group, KEPT) for group in GROUPS}
        found = []
        for number, client in enumerate(self.clients):
            for each in client.following:
                tag, end = client.tags[each.tag], stored[each.group]
                if (tag.epoch, tag.offset) != end:
                    found.append((number, each.request_id, tag.epoch, tag.offset, end))
        return found

    async def end(self) -> None:
        """Let all clients leave. Nothing of them may be left."""
        for client in self.clients:
            if client.socket is not None:
                client.socket.close()
        await asyncio.gather(*self.ending)
        for hub, writer in zip(self.hubs, self.writers, strict=True):
            await writer.stop()
            recovery = hub.recovery
            left = hub.groups, hub.members, recovery.groups, recovery._by_tag, recovery._receivers
            if any(left) or hub.is_used:
                self.errors.append(f"left in a hub: {left}")

    # What must be true.

    def check_sent(self, client: RowClient, frame: dict[str, Any]) -> None:
        """Check a frame at the moment when the server sends it."""
        data = frame.get("data")
        if not data or "name" not in data:
            return
        self.shown += 1
        name, following = data["name"], client.by_request[frame["request_id"]]
        if client.owner is CheckedRows and not name.endswith("open"):
            self.errors.append(("forbidden", frame))
        if frame["action"] == "delete":
            return
        if letter_of(name) != following.letter:
            self.errors.append(("of another group", frame, following.letter))
        if name not in self._recent_names(data["id"]):
            self.errors.append(("gone or stale", frame, self.names[data["id"]], self.loop.time()))

    def _recent_names(self, pk: int) -> list[str | None]:
        """Return the names that a row had within the last seconds."""
        names = self.names[pk]
        since = self.loop.time() - self.stale
        ends = [at for at, _name in names[1:]] + [self.loop.time()]
        return [name for (_at, name), end in zip(names, ends, strict=True) if end >= since]

    def check(self) -> list[Any]:
        """Return what is wrong."""
        for number, client in enumerate(self.clients):
            for name, tag in client.tags.items():
                where = f"client {number}, request {client.by_tag[name].request_id}"
                self.errors += [f"{where}: {each}" for each in wrong_in(tag.log)]
        return self.errors


def wrong_in(log: list[tuple[Any, ...]]) -> list[str]:
    """Return what is wrong with what one subscription saw."""
    view = _SubscriptionView(may_repeat=True)
    for index, (kind, *rest) in enumerate(log):
        view.index = index
        getattr(view, kind)(*rest)
    return view.wrong


class _SubscriptionView(_View):
    def left(self) -> None:
        self._at = None, 0
        self._left.clear()
