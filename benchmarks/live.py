"""The process of the case `live`: `python -m benchmarks.live lists`, or `without` live queries."""

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Sequence
from time import perf_counter, process_time, thread_time
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.serializers import ModelSerializer

from . import database
from .driver import Arrivals, Socket, close_sockets, open_sockets, settle
from .measuring import without_gc
from .models import Note
from .observing import count_queries
from .processes import serve_commands

#: Lists of one connection. `MAX_LIVE` is the most.
LISTS_EACH = 25
#: Seconds between two changes, so that each is read alone.
PAUSE = 0.02
#: Rows of the queries whose memory is measured, and how many queries.
ROWS, LONG_QUERIES = 1_000, 20
WINDOW = 1_000_000
"""The room of the rows of the window."""


class NoteSerializer(ModelSerializer[Note]):
    """All columns."""

    class Meta:
        model = Note
        fields = ("id", "room", "text")


def application() -> Any:
    """Declare a consumer with live queries. From then on this process notes what it writes."""
    from rest_channels.consumers import AsyncAPIConsumer
    from rest_channels.decorators import action
    from rest_channels.observer import live_query

    class Lists(AsyncAPIConsumer):
        """A window of many rows, and the rows of a room."""

        @live_query(serializer_class=NoteSerializer)
        def window(self) -> Any:
            """Return the first rows."""
            return Note.objects.filter(room=WINDOW).order_by("-text", "pk")[:50]

        @live_query(serializer_class=NoteSerializer)
        def rows(self, room: int) -> Any:
            """Return the rows of a room."""
            return Note.objects.filter(room=room).order_by("pk")

        @action()
        async def watch_window(self, request_id: Any) -> Any:
            """Subscribe to the window."""
            return await self.window.subscribe(request_id=request_id), 201

        @action()
        async def watch_room(self, request_id: Any, room: int) -> Any:
            """Subscribe to a room."""
            return await self.rows.subscribe(room=room, request_id=request_id), 201

    return Lists.as_asgi()


def reader_application(users: Sequence[User]) -> Any:
    """Declare a list of each user's own rows. The port of a client is the number of its user."""
    from rest_channels.consumers import GenericAsyncAPIConsumer
    from rest_channels.observer import ObserverModelListMixin

    class OwnNotes(ObserverModelListMixin, GenericAsyncAPIConsumer):
        """The rows that the user may read, found by a join."""

        serializer_class = NoteSerializer

        def get_queryset(self, **kwargs: Any) -> Any:
            """Return these rows."""
            return Note.objects.filter(readers=self.scope["user"]).order_by("-pk")

        def viewers(self, rows: Any) -> Any:
            """Return each row with each of its readers."""
            return Note.readers.through.objects.filter(note__in=rows).values_list("note", "user")

    lists = OwnNotes.as_asgi()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        user = users[scope["client"][1]]
        await lists({**scope, "user": user}, receive, send)

    return application


class LiveWorker:
    """The commands of the process: each public method is one."""

    name = "ours"

    def __init__(self, has_lists: bool) -> None:
        self.application: Any = application() if has_lists else None
        self.sockets: list[Socket] = []
        self.saves = 0

    async def open(self) -> None:
        """Make a row to save. What the disk costs would vary more than what is measured."""
        await sync_to_async(write_without_waiting)()
        self.row = await Note.objects.acreate(room=0, text="")
        await self.save(100)

    async def save(self, count: int) -> float:
        """Save a row that is in no list. Return the seconds of CPU."""

        def save() -> float:
            began = thread_time()
            for number in range(count):
                self.row.text = str(number)
                self.row.save()
            return thread_time() - began

        return await without_gc(lambda _self: sync_to_async(save)(), self)

    async def leave(self) -> None:
        """Disconnect all clients."""
        await close_sockets(self.sockets)
        self.sockets = []

    async def watch_window(self, count: int) -> None:
        """Let so many clients subscribe to a window of 50 rows of 100."""
        rows = [Note(room=WINDOW, text=f"{number:03}") for number in range(100)]
        await Note.objects.abulk_create(rows)
        self.row = await Note.objects.aget(room=WINDOW, text="080")
        self.sockets = await open_sockets(self.application, count)
        await self._subscribe([(socket, {"action": "watch_window"}) for socket in self.sockets])
        await self.change_window()

    async def change_window(self) -> dict[str, float]:
        """Change a row of the window: seconds from the commit to the last frame, and queries."""
        return await without_gc(LiveWorker._change_row, self)

    async def _change_row(self) -> dict[str, float]:
        self.saves += 1
        self.row.text = f"08{self.saves % 10}"
        await settle()
        told = self._listen(len(self.sockets))

        def save() -> tuple[float, int]:
            self.row.save()
            return perf_counter(), len(queries)

        with count_queries() as queries:
            committed, own = await sync_to_async(save)()
            await told.wait()
            await settle()
        if json.loads(told.last["text"])["action"] != "diff":
            raise RuntimeError(f"{told.last!r:.200} instead of what differs")
        return {"told": told.at - committed, "statements": len(queries) - own}

    async def watch_own(self, count: int) -> None:
        """Let so many users subscribe to lists of their own. All of them see the same row."""
        names = [f"reader {number}" for number in range(count)]
        await User.objects.abulk_create([User(username=name) for name in names])
        users = [user async for user in User.objects.filter(username__in=names)]
        self.row = await Note.objects.acreate(room=0, text="")
        await self.row.readers.aset(users)
        self.sockets = await open_sockets(reader_application(users), count)
        await self._subscribe([(socket, {"action": "subscribe_list"}) for socket in self.sockets])
        await self.change_own()

    async def change_own(self) -> dict[str, float]:
        """Change this row: seconds to the last frame, queries, and seconds of CPU."""
        began = process_time()
        measured = await self.change_window()
        return {**measured, "cpu": process_time() - began}

    async def memory(self) -> float:
        """Return the traced bytes of a query of `ROWS` rows, with one client and a request."""
        rooms = range(WINDOW + 1, WINDOW + 2 + LONG_QUERIES)
        rows = [Note(room=room, text=str(number)) for room in rooms for number in range(ROWS)]
        await Note.objects.abulk_create(rows, batch_size=ROWS)
        del rows
        self.sockets = await open_sockets(self.application, 1)
        await self._watch(rooms[:1])
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await self._watch(rooms[1:])
        await settle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return (after - before) / LONG_QUERIES

    async def watch_rooms(self, count: int) -> None:
        """Let clients subscribe to so many rooms. Each of them has one row."""
        rows = [Note(room=room, text="") for room in range(1, count + 1)]
        await Note.objects.abulk_create(rows, batch_size=1_000)
        self.sockets = await open_sockets(self.application, -(-count // LISTS_EACH))
        await self._watch(range(1, count + 1))

    async def change(self, count: int, room: int) -> float:
        """Save the row of a room so many times. Return the seconds of CPU."""
        self.row = await Note.objects.filter(room=room).afirst()
        told = self._listen(count)
        await settle()
        return await without_gc(lambda _self: self._change(count, told, bool(room)), self)

    async def _change(self, count: int, told: Arrivals, is_told: bool) -> float:
        began = process_time()
        for _ in range(count):
            self.saves += 1
            self.row.text = str(self.saves)
            await sync_to_async(self.row.save)()
            await asyncio.sleep(PAUSE)
        if is_told:
            await told.wait()
        elif told.missing != count:
            raise RuntimeError(f"{told.last!r:.200} for a change that concerns no list")
        return process_time() - began

    async def _watch(self, rooms: Sequence[int]) -> None:
        """Subscribe to the rows of rooms, `LISTS_EACH` for each client."""
        await self._subscribe(
            [
                (self.sockets[number // LISTS_EACH], {"action": "watch_room", "room": room})
                for number, room in enumerate(rooms)
            ]
        )

    async def _subscribe(self, requests: Sequence[tuple[Socket, dict[str, Any]]]) -> None:
        """Send the requests, and wait for all replies."""
        replies = self._listen(len(requests))
        for number, (socket, request) in enumerate(requests):
            socket.push_text(json.dumps({**request, "request_id": request.get("room", number)}))
        await replies.wait()
        if json.loads(replies.last["text"])["response_status"] != 201:
            raise RuntimeError(f"not subscribed: {replies.last!r:.200}")

    def _listen(self, expected: int) -> Arrivals:
        """Direct messages of all sockets to a new sink."""
        sink = Arrivals(expected)
        for socket in self.sockets:
            socket.sink = sink
        return sink


def write_without_waiting() -> None:
    """Let SQLite write no journal, and not wait for the disk, in the thread that saves."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = MEMORY")
            cursor.execute("PRAGMA synchronous = OFF")


async def main() -> None:
    """Run commands until standard input ends."""
    worker = LiveWorker(sys.argv[1] == "lists")
    names = ["open", "save", "leave", "watch_window", "change_window", "watch_own", "change_own"]
    names += ["memory", "watch_rooms", "change"]
    await serve_commands({name: getattr(worker, name) for name in names})


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
