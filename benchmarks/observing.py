"""Subscribers to one row, and a save of it, as all peers of the case `observers` do.

All peers use the frames of the action dialect, as djangochannelsrestframework does.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db.backends.utils import CursorWrapper

from .driver import Message, Sink, Socket, open_sockets, settle
from .peers import Peer


class SaveTiming(NamedTuple):
    """One save, and the events that it caused."""

    #: Seconds until `save()` returned, and until the last subscriber received the event.
    saved: float
    delivered: float
    #: The SQL queries of all threads.
    queries: int


class EventSink(Sink):
    """Collects messages until there is one for each subscriber."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.expected = expected
        self.messages: list[Message] = []
        self.at = 0.0

    def add(self, socket: Socket, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == self.expected:
            self.at = perf_counter()
            self.done.set_result(None)

    def check(self, action: str, status: int, data: Any) -> None:
        """Raise an error unless each request_id received this content once."""
        expected = {"errors": [], "data": data, "action": action, "response_status": status}
        requests = set()
        for message in self.messages:
            content = json.loads(message["text"])
            requests.add(content.pop("request_id"))
            if content != expected:
                raise RuntimeError(f"{message!r:.300} instead of {expected!r:.200}")
        if len(self.messages) != self.expected or requests != set(range(self.expected)):
            raise RuntimeError(f"{len(self.messages)} messages for {len(requests)} requests")


class Subscribers:
    """The sockets of one peer, all subscribed to the same row of this peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.name = peer.name
        self.sockets: list[Socket] = []
        self.saves = 0

    async def subscribe(self, count: int) -> None:
        """Connect and subscribe `count` sockets, and save once to warm up."""
        self.row, _is_new = await sync_to_async(ContentType.objects.get_or_create)(
            app_label="observed", model=self.name
        )
        self.sockets = await open_sockets(self.peer["observer"], count)
        sink = self.listen()
        for number, socket in enumerate(self.sockets):
            request = {"action": "subscribe_instance", "request_id": number, "pk": self.row.pk}
            socket.push_text(json.dumps(request))
        await sink.wait()
        sink.check("subscribe_instance", 201, None)
        await settle()
        await self.save()

    async def save(self) -> SaveTiming:
        """Change the row, and wait for all events."""
        self.saves += 1
        self.row.model = f"{self.name} {self.saves}"
        await settle()
        sink = self.listen()
        with self.peer.observing(), count_queries() as queries:
            start = perf_counter()
            await sync_to_async(self.row.save)()
            returned = perf_counter()
            await sink.wait()
            await settle()
        data = {"id": self.row.pk, "app_label": "observed", "model": self.row.model}
        sink.check("update", 200, data)
        return SaveTiming(returned - start, sink.at - start, len(queries))

    def listen(self) -> EventSink:
        """Direct messages of all sockets to a new sink."""
        sink = EventSink(len(self.sockets))
        for socket in self.sockets:
            socket.sink = sink
        return sink


@contextmanager
def count_queries() -> Iterator[list[str]]:
    """Collect the SQL executed in all threads during a `with` block."""
    queries: list[str] = []
    lock = threading.Lock()
    originals = {name: vars(CursorWrapper)[name] for name in ("execute", "executemany")}

    def counted(method: Any) -> Any:
        def execute(cursor: CursorWrapper, sql: str, *args: Any, **kwargs: Any) -> Any:
            with lock:
                queries.append(sql)
            return method(cursor, sql, *args, **kwargs)

        return execute

    for name, method in originals.items():
        setattr(CursorWrapper, name, counted(method))
    try:
        yield queries
    finally:
        for name, method in originals.items():
            setattr(CursorWrapper, name, method)
