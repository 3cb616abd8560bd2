"""One message to many clients in one process."""

import json
from typing import Any

from ..driver import Arrivals, Sink, Socket, open_sockets, settle
from ..peers import Peer
from .base import Workload

SMALL = {"type": "note", "text": "hello", "id": 1}
#: A page of about a hundred rows, as from a model serializer.
LARGE = {
    "type": "page",
    "rows": [
        {
            "id": number,
            "title": f"Composition no. {number}",
            "owner": number % 7,
            "tempo": 96.5,
            "published": number % 3 == 0,
            "created": "2026-11-21T10:53:49.123456Z",
            "updated": "2026-11-21T10:55:02.654321Z",
            "tags": [number % 5, number % 3 + 7],
        }
        for number in range(105)
    ],
}
#: A message of about 200 bytes, as of a chat.
MEDIUM = {
    "type": "message",
    "id": 48_213,
    "room": "general",
    "author": {"id": 17, "name": "Ada Lovelace"},
    "created": "2026-11-21T10:53:49.123456Z",
    "text": "The engine weaves algebraic patterns, as a loom weaves leaves.",
}
PAYLOADS = {"small": SMALL, "200 B": MEDIUM, "20 kB": LARGE}


class Sending(Workload):
    """Sends to all `members`, which receive nothing else. An operation is one delivery."""

    application: str

    def __init__(self, peer: Peer, members: int) -> None:
        super().__init__(peer)
        self.members = members
        self.sockets: list[Socket] = []

    async def open(self) -> None:
        self.sockets = await open_sockets(self.peer[self.application], self.members)
        await settle()  # some peers send a first message

    async def run(self, repeats: int) -> int:
        for number in range(repeats):
            arrivals = Arrivals(self.members)
            self.listen(arrivals)
            await self.send(number)
            await arrivals.wait()
            self.check(number, json.loads(arrivals.last["text"]))
        await settle()  # some peers still have work to do
        return repeats * self.members

    def listen(self, sink: Sink) -> None:
        """Direct what all sockets receive to `sink`."""
        for socket in self.sockets:
            socket.sink = sink

    async def send(self, number: int) -> None:
        """Send a message."""
        raise NotImplementedError

    def check(self, number: int, content: Any) -> None:
        """Raise an error if `content` is not what was sent."""
        raise NotImplementedError


class FanOut(Sending):
    """One member sends a frame, and all members of its group receive it."""

    application = "room"

    def __init__(self, peer: Peer, members: int, payload: str = "small") -> None:
        super().__init__(peer, members)
        self.content = PAYLOADS[payload]
        self.frame = json.dumps(self.content)

    async def send(self, number: int) -> None:
        self.sockets[0].push_text(self.frame)

    def check(self, number: int, content: Any) -> None:
        content.pop("$at", None)  # the offset of a message that is kept
        if content != self.content:
            raise RuntimeError(f"not the published content: {content!r:.200}")


class SendToAddresses(Sending):
    """The server sends JSON to sockets whose addresses it knows."""

    application = "addressed"

    async def open(self) -> None:
        await super().open()
        assert self.peer.find_addresses is not None
        self.send_json = await self.peer.find_addresses()

    async def send(self, number: int) -> None:
        await self.send_json({"type": "CHAT", "number": number})

    def check(self, number: int, content: Any) -> None:
        if content["number"] != number:
            raise RuntimeError(f"not the sent content: {content!r:.200}")
