"""Subscribers to one row, and a save of it: what all peers of the case `observers` do.

They speak the action dialect, ours as well as djangochannelsrestframework's; raw Channels is
written to.
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


class Told(NamedTuple):
    """What a save came to."""

    #: Seconds from the call of `save` until it was back, and until the last one was told.
    saved: float
    told: float
    #: All that were executed, in any thread, by whomever.
    queries: int


class Heard(Sink):
    """What subscribers hear, until there is a message for each."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.expected = expected
        self.messages: list[Message] = []
        self.at = 0.0

    def take(self, socket: Socket, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == self.expected:
            self.at = perf_counter()
            self.done.set_result(None)

    def check(self, action: str, status: int, data: Any) -> None:
        """Each request was told this, and once."""
        said = {"errors": [], "data": data, "action": action, "response_status": status}
        requests = set()
        for message in self.messages:
            content = json.loads(message["text"])
            requests.add(content.pop("request_id"))
            if content != said:
                raise RuntimeError(f"{message!r:.300} instead of {said!r:.200}")
        if len(self.messages) != self.expected or requests != set(range(self.expected)):
            raise RuntimeError(f"{len(self.messages)} messages for {len(requests)} requests")


class Audience:
    """The sockets of one peer, all of which have subscribed to one row: nobody else's."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.name = peer.name
        self.sockets: list[Socket] = []
        self.saves = 0

    async def gather(self, count: int) -> None:
        """Connect and subscribe so many, and save once to warm up."""
        self.row, _made = await sync_to_async(ContentType.objects.get_or_create)(
            app_label="observed", model=self.name
        )
        self.sockets = await open_sockets(self.peer["observer"], count)
        heard = self.listen()
        for number, socket in enumerate(self.sockets):
            order = {"action": "subscribe_instance", "request_id": number, "pk": self.row.pk}
            socket.push_text(json.dumps(order))
        await heard.wait()
        heard.check("subscribe_instance", 201, None)
        await settle()
        await self.save()

    async def save(self) -> Told:
        """Change the row."""
        self.saves += 1
        self.row.model = f"{self.name} {self.saves}"
        await settle()
        heard = self.listen()
        with self.peer.observing(), counted() as queries:
            start = perf_counter()
            await sync_to_async(self.row.save)()
            back = perf_counter()
            await heard.wait()
            await settle()
        data = {"id": self.row.pk, "app_label": "observed", "model": self.row.model}
        heard.check("update", 200, data)
        return Told(back - start, heard.at - start, len(queries))

    def listen(self) -> Heard:
        """From now on."""
        heard = Heard(len(self.sockets))
        for socket in self.sockets:
            socket.sink = heard
        return heard


@contextmanager
def counted() -> Iterator[list[str]]:
    """What is executed meanwhile, in all threads."""
    queries: list[str] = []
    lock = threading.Lock()
    own = {name: vars(CursorWrapper)[name] for name in ("execute", "executemany")}

    def counting(method: Any) -> Any:
        def execute(cursor: CursorWrapper, sql: str, *args: Any, **kwargs: Any) -> Any:
            with lock:
                queries.append(sql)
            return method(cursor, sql, *args, **kwargs)

        return execute

    for name, method in own.items():
        setattr(CursorWrapper, name, counting(method))
    try:
        yield queries
    finally:
        for name, method in own.items():
            setattr(CursorWrapper, name, method)
