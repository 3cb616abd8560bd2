"""Hubs, clients and a store with random failures, and what must be true of them.

Three hubs send to each other over a lossy transport. Clients connect, drop and move between hubs.
The store is slow, fails before or after it has done its work, and forgets.
"""

import asyncio
import contextlib
import json
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from rest_channels.concurrency.tasks import start_task
from rest_channels.engine.history_writer import HistoryWriter
from rest_channels.engine.recovery import Recovery
from rest_channels.history.policy import History
from rest_channels.history.records import KeptMessage, Page, Position, StoreUnavailable
from rest_channels.history.stores.base import Append, HistoryStore
from rest_channels.protocol.messages import Event
from rest_channels.protocol.recovery_frames import read_resume, tag_of
from tests.recovery.client import Client, Tag

GROUPS = ("board-1", "board-2", "board-3")
KEPT = History(size=60, age=60)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer. So a seed has one result, in no time."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        return self.now


class _VirtualSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "Nothing will happen any more."
        self._loop.now += timeout
        return super().select(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


class FaultyStore(HistoryStore):
    """Passes calls on to `store`, late, or not at all, or without an answer.

    Attributes:
        kinds: What may happen to a call that fails: it did not run; it did, and fails at once; it
            did, and the caller waits in vain for the answer; it runs later.
        timeout: Seconds that the caller waits.
        reads: How often each method was called.
        texts: (group, epoch, offset) → text, as far as the store has answered.
    """

    def __init__(self, store: HistoryStore, random_: random.Random) -> None:
        self.store = store
        self.random = random_
        self.is_down = False
        self.failing = 0.0
        self.kinds = ["before", "after", "lost", "late"]
        self.timeout = 1.0
        self.slow = 0.0
        self.reads: Counter[str] = Counter()
        self.texts: dict[tuple[str, str, int], str] = {}
        self.late: set[asyncio.Task[Any]] = set()

    async def _call(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self.reads[name] += 1
        await asyncio.sleep(self.random.uniform(0, self.slow))
        if self.is_down or self.random.random() < self.failing:
            kind = self.random.choice(self.kinds)
            if kind in ("after", "lost"):
                await call()
            if kind == "lost":
                await asyncio.sleep(self.timeout)
            elif kind == "late":
                self._run_late(call)
            raise StoreUnavailable(f"made up: {kind}")
        return await call()

    def _run_late(self, call: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            while self.is_down:  # noqa: ASYNC110 - a failure sets it
                await asyncio.sleep(0.002)
            await asyncio.sleep(self.random.choice([0, 0.05, 0.3, 2.0]) * self.random.random())
            with contextlib.suppress(StoreUnavailable):
                await call()

        task = asyncio.get_running_loop().create_task(run())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        found: list[Position] = await self._call(
            "append_many", lambda: self.store.append_many(items)
        )
        for item, position in zip(items, found, strict=True):
            if position.offset:
                text = self.texts.setdefault((item.group, *position), item.text)
                assert text == item.text, f"two messages at {position}"
        return found

    async def since(self, group: str, position: Position, limit: int = 262_144) -> Page:
        page: Page = await self._call("since", lambda: self.store.since(group, position, limit))
        return page

    async def position(self, group: str, history: Any) -> Position:
        found: Position = await self._call("position", lambda: self.store.position(group, history))
        return found

    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        found: list[Position | None] = await self._call(
            "positions", lambda: self.store.positions(groups)
        )
        return found

    async def new_epoch(
        self, group: str, history: Any, writer: str = "", number: int = 0
    ) -> Position:
        found: Position = await self._call(
            "new_epoch", lambda: self.store.new_epoch(group, history, writer, number)
        )
        return found

    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        return await self.store.last(group, limit)

    async def close(self) -> None:
        await self.store.close()


class Connection:
    """One connection of a client to a hub, with delays in both directions."""

    overrides_sending = False
    needs_queue = False

    def __init__(self, world: "World", hub: "SimulatedHub", client: "SimulatedClient") -> None:
        self.hub = hub
        self.client = client
        self.is_open = True
        self._world = world
        self._next = {"in": 0.0, "out": 0.0}
        hub.connections.add(self)
        client.connection = self
        client.connect(self._send, hub)
        for group in client.groups:
            hub.join(group, self)

    def deliver(self, event: Any) -> None:
        if isinstance(event, Event):
            assert event.text is not None
            self._later("out", lambda: self.client.receive(event.text or ""))

    def _send(self, text: str) -> None:
        asked = read_resume(text)
        assert asked is not None
        self._later("in", lambda: self.hub.recovery.resume(self, asked))  # type: ignore[arg-type]

    def _later(self, direction: str, call: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        at = max(self._next[direction], loop.time() + self._world.delay(0.05))
        self._next[direction] = at + 1e-6
        loop.call_at(at, lambda: self.is_open and call())

    def close(self) -> None:
        self.is_open = False
        self.hub.connections.discard(self)
        for group in self.client.groups:
            self.hub.leave(group, self)
        self.client.connection = None
        self.client.disconnect()


class SimulatedHub:
    """The part of a hub that recovery needs."""

    def __init__(self, world: "World", number: int, store: HistoryStore) -> None:
        self.world = world
        self.connections: set[Connection] = set()
        self.groups: dict[str, dict[Any, None]] = {}
        self.silent_until = 0.0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.recovery = Recovery(self.start_task, self._members_of, self._deliver, lambda: store)
        self.writer = HistoryWriter(
            f"node-{number}",
            self.hand_on,
            self.hand_on_unnumbered,
            self.recovery.note_append,
            self.recovery.note_doubt,
            lambda: store,
        )

    def start_task(self, work: Any) -> asyncio.Task[Any]:
        task = start_task(work, asyncio.get_running_loop())
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.world.errors.append(task.exception())

    def _members_of(self, group: str) -> Any:
        return self.groups.get(group, ())

    def _deliver(self, event: Event, members: Sequence[Any]) -> None:
        for member in members:
            member.deliver(event)

    def join(self, group: str, member: Any) -> Any:
        self.groups.setdefault(group, {})[member] = None
        return self.recovery.join(group, member, KEPT, None)

    def leave(self, group: str, member: Any) -> None:
        members = self.groups[group]
        del members[member]
        self.recovery.leave(group, member)
        if not members:
            del self.groups[group]

    def receive(self, event: Event) -> None:
        if event.position is not None and event.group in self.recovery.groups:
            self.recovery.receive(event)
        else:
            self._deliver(event, tuple(self.groups.get(event.group, ())))

    def hand_on(self, event: Event) -> None:
        """Send to this hub at once, and to the others over the layer."""
        for hub in self.world.hubs:
            if hub is not self:
                self.world.transport(hub, event)
        self.receive(event)

    def hand_on_unnumbered(self, event: Event, put_at: float) -> None:
        if not self.recovery.deliver_unnumbered(event, put_at):
            self.receive(event)

    def publish(self, group: str, text: str) -> Any:
        return self.writer.put(Event.rendered(group, None, text), KEPT)


class SimulatedClient(Client):
    """A client, and the groups whose members its connections become."""

    def __init__(self, random_: random.Random, groups: Sequence[str], pace: float) -> None:
        super().__init__(random_, (0.2 * pace, pace))
        self.groups = groups
        self.connection: Connection | None = None
        for group in groups:
            self.tags[tag_of(group)] = Tag()

    def plain(self, frame: Any) -> None:
        self.tags[tag_of(frame["group"])].log.append(("plain", json.dumps(frame)))


class World:
    """All hubs and clients.

    Args:
        seed: Decides what happens.
        store: Where messages are kept.
        pace: 1 if seconds take a second, less if everything is quicker.
    """

    def __init__(self, seed: int, store: HistoryStore, pace: float = 1) -> None:
        self.random = random.Random(seed)
        self.pace = pace
        self.store = FaultyStore(store, self.random)
        self.store.timeout = pace
        self.errors: list[Any] = []
        self.hubs = [SimulatedHub(self, number, self.store) for number in range(3)]
        self.clients = [
            SimulatedClient(self.random, self.random.sample(GROUPS, 2), pace) for _ in range(24)
        ]
        self.sent = 0
        self.may_repeat = False  # the store forgot what writers had appended
        self.loss = 0.05

    def delay(self, seconds: float) -> float:
        """Return a delay of at most `seconds`, if the pace is 1."""
        return self.random.uniform(0, seconds * self.pace)

    def transport(self, hub: SimulatedHub, event: Event) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < hub.silent_until or self.random.random() < self.loss:
            return
        for _ in range(2 if self.random.random() < 0.05 else 1):
            loop.call_later(self.delay(0.04), hub.receive, event)

    # What happens.

    async def run(
        self, seconds: float, failures: Sequence[Callable[["World"], Awaitable[None]]]
    ) -> None:
        """Let everything happen at random for `seconds`, with one failure after another."""
        for client in self.clients:
            self.connect(client)
        tasks = [
            asyncio.create_task(work)
            for work in (self._publish(), self._move(), self._fail(failures))
        ]
        await asyncio.sleep(seconds)
        for task in tasks[:2]:
            task.cancel()
        await tasks[2]
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                self.errors.append(task.exception())

    def connect(self, client: SimulatedClient) -> None:
        Connection(self, self.random.choice(self.hubs), client)  # type: ignore[arg-type]

    async def _publish(self) -> None:
        while True:
            for _ in range(self.random.choice([1, 1, 1, 2, 20])):
                self.publish(self.random.choice(self.hubs), self.random.choice(GROUPS))
            await asyncio.sleep(self.delay(0.08))

    def publish(self, hub: SimulatedHub, group: str) -> Any:
        self.sent += 1
        return hub.publish(group, json.dumps({"group": group, "number": self.sent}))

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self.delay(0.12))
            client = self.random.choice(self.clients)
            if client.connection is not None:
                client.connection.close()
            if self.random.random() < 0.6:
                self.connect(client)

    async def _fail(self, failures: Sequence[Callable[["World"], Awaitable[None]]]) -> None:
        for failure in failures:
            await asyncio.sleep(self.delay(1.5))
            await failure(self)

    async def settle(self, timeout: float = 20) -> None:
        """Connect all clients, and wait until all have what the store has."""
        self.store.failing, self.store.is_down = 0, False
        for client in self.clients:
            if client.connection is None:
                self.connect(client)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while unsettled := await self._unsettled():
            if loop.time() > deadline:
                self.errors.append(f"not settled: {unsettled}")
                return
            await asyncio.sleep(0.02)

    async def _unsettled(self) -> list[Any]:
        if any(hub.writer._waiting or hub.writer._owed for hub in self.hubs) or self.store.late:
            return ["writers"]
        try:
            stored = [await self.store.store.position(group, KEPT) for group in GROUPS]
        except StoreUnavailable as error:
            return [error]
        by_tag = {tag_of(group): each for group, each in zip(GROUPS, stored, strict=True)}
        return [
            (number, client.groups, tag.epoch, tag.offset, by_tag[name])
            for number, client in enumerate(self.clients)
            for name, tag in client.tags.items()
            if (tag.epoch, tag.offset) != by_tag[name]
        ]

    async def end(self) -> None:
        for client in self.clients:
            if client.connection is not None:
                client.connection.close()
        for hub in self.hubs:
            await hub.writer.stop()
            await hub.recovery.stop()
        await asyncio.sleep(0)
        left = [task for hub in self.hubs for task in hub.tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    # What must be true.

    def check(self) -> list[Any]:
        """Return what is wrong."""
        texts = dict(self.store.texts)
        for number, client in enumerate(self.clients):
            for name, tag in client.tags.items():
                group = next(each for each in client.groups if tag_of(each) == name)
                where = f"client {number}, {group}"
                self.errors += [f"{where}: {each}" for each in wrong_in(tag.log, self.may_repeat)]
                for kind, *rest in tag.log:
                    if kind == "message":
                        epoch, offset, text = rest
                        if texts.setdefault((group, epoch, offset), text) != text:
                            self.errors.append(f"{where}: another text at {epoch} {offset}")
        return self.errors


def wrong_in(log: list[tuple[Any, ...]], may_repeat: bool) -> list[str]:
    """Return what is wrong with what one client saw of one group."""
    view = _View(may_repeat)
    for index, (kind, *rest) in enumerate(log):
        view.index = index
        getattr(view, kind)(*rest)
    return view.wrong


class _View:
    """Follows what one client saw of one group. Each method is for one kind of entry of its log."""

    def __init__(self, may_repeat: bool) -> None:
        self.index = 0
        self.wrong: list[str] = []
        self._may_repeat = may_repeat
        self._at: tuple[Any, int] = (None, 0)
        self._left: set[str | None] = set()
        self._seen: set[str] = set()
        self._hub: object = None
        self._plain: dict[str, object] = {}  # text → hub; other hubs may know the offset

    def begin(self, epoch: str, offset: int) -> None:
        self._at = epoch, offset

    def connect(self, hub: object) -> None:
        self._hub = hub

    def gap(self, missed: int | None, epoch: str, offset: int) -> None:
        if epoch != self._at[0]:
            self._left.add(self._at[0])
            self._note(epoch in self._left, "back in an epoch that had ended")
            self._seen |= self._plain.keys()  # of the outage that has ended with this epoch
        else:
            self._note(offset <= self._at[1], f"a gap without a loss at {offset}")
            self._note(missed != offset - self._at[1], f"{missed} missed")
        self._at = epoch, offset

    def plain(self, text: str) -> None:
        self._note_repetition(text)
        self._plain[text] = self._hub

    def message(self, epoch: str, offset: int, text: str) -> None:
        self._note_repetition(text)
        self._seen.add(text)
        expected = self._at[0], self._at[1] + 1
        self._note((epoch, offset) != expected, f"{offset} after {self._at}")
        self._at = epoch, offset

    def _note_repetition(self, text: str) -> None:
        is_here = text in self._plain and self._plain[text] is self._hub
        is_repeated = text in self._seen or is_here
        self._note(is_repeated and not self._may_repeat, f"{text} once more")

    def _note(self, is_wrong: bool, what: str) -> None:
        if is_wrong:
            self.wrong.append(f"entry {self.index}: {what}")
