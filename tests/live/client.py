"""A client of a live query, which keeps the list as a page would."""

import json

from rest_channels.live.diff import apply
from rest_channels.testing import SocketCommunicator


def client(consumer, **kwargs):
    """A client of the actions of `consumer`."""
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


def key_of(row):
    """The key of a row, which is its `pk` or else its `id`."""
    return hashable(row.get("pk", row.get("id")))


def hashable(key):
    """A key: a composite one is a list in JSON."""
    return tuple(key) if isinstance(key, list) else key


def page_client(router, **kwargs):
    """A client of the page of a `SocketRouter`."""
    return SocketCommunicator(router.as_asgi(), "/page/", dialect="type", **kwargs)


class LiveList:
    """The list that one client has of a live query."""

    def __init__(self, socket, data, request_id):
        self.socket, self.request_id = socket, request_id
        self.rows = {
            key_of(row): (row, tag) for row, tag in zip(data["rows"], data["tags"], strict=True)
        }
        self.order = [key_of(row) for row in data["rows"]]

    def apply(self, data):
        """Apply one frame, whole."""
        for _after, row, tag in data["enter"]:
            self.rows[key_of(row)] = row, tag
        for row, tag in data["change"]:
            assert key_of(row) in self.rows
            self.rows[key_of(row)] = row, tag
        enter = [(hashable(after), key_of(row)) for after, row, _tag in data["enter"]]
        move = [(hashable(after), hashable(key)) for after, key in data["move"]]
        self.order = apply(self.order, map(hashable, data["leave"]), enter, move)
        self.rows = {key: self.rows[key] for key in self.order}

    async def next(self):
        """Wait for the next frame, and apply it. Return its data without what is empty."""
        data = await self.receive()
        self.apply(data)
        return {name: value for name, value in data.items() if value}

    async def receive(self):
        """Wait for the next frame. Return its data."""
        frame = await self.socket.expect_event(action="diff", request_id=self.request_id)
        assert (frame["response_status"], frame["errors"]) == (200, [])
        return frame["data"]

    async def until(self, *shown):
        """Apply frames until the list shows these values."""
        while self.shown != [*shown]:
            await self.next()

    @property
    def shown(self):
        """The names or texts of the rows, in their order."""
        rows = [self.rows[key][0] for key in self.order]
        return [row.get("name", row.get("text")) for row in rows]

    @property
    def have(self):
        """What the client sends when it comes back."""
        return {
            json.dumps(key) if isinstance(key, tuple) else str(key): self.rows[key][1]
            for key in self.order
        }


async def subscribe(socket, action="subscribe_list", **arguments):
    """Subscribe to a list, and return it."""
    request_id = await socket.call(action, **arguments)
    reply = await socket.expect_reply(request_id, status=201)
    return LiveList(socket, reply["data"], request_id)


class PageList(LiveList):
    """The list that one client has of the page of a `SocketRouter`; its id is the type."""

    async def receive(self):
        return await self.socket.expect_event(type=self.request_id)


async def subscribe_page(socket, name, **content):
    """Ask a page for a list, and return it."""
    await socket.send_json({"type": name, **content})
    return PageList(socket, await socket.expect_event(type=name), name)
