"""Clients that send the next frame after each answer."""

import json

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from ..driver import PingPong, Socket, open_sockets
from ..frames import FRAMES, is_correct
from ..peers import Peer
from .base import Workload


class Exchange(Workload):
    """`connections` clients of one application. An operation is a frame and its answer.

    `variant` is the end of the name of one of several applications for the same frames.
    """

    def __init__(
        self, peer: Peer, application: str, connections: int = 1, variant: str = ""
    ) -> None:
        super().__init__(peer)
        self.name = application
        self.variant = variant
        self.count = connections
        self.sockets: list[Socket] = []
        self.frame = ""

    async def open(self) -> None:
        application = "dispatch" if self.name == "patterns" else self.name
        self.sockets = await open_sockets(
            self.peer[application + self.variant], self.count, self.peer.handshake
        )
        frame = FRAMES[self.name]
        if self.name == "rows":
            first = await sync_to_async(ContentType.objects.order_by("pk").first)()
            frame = {**frame, "pk": first.pk if first else 0}
        self.frame = self.peer.frames.get(self.name) or json.dumps(frame)

    async def run(self, repeats: int) -> int:
        sink = PingPong(self.frame, max(repeats, self.count))
        for socket in self.sockets:
            socket.sink = sink
        sink.start(self.sockets)
        await sink.wait()
        text = sink.last["text"]
        answer = self.peer.answers.get(self.name)
        if not (is_correct(self.name, text) if answer is None else text == answer):
            raise RuntimeError(f"wrong answer: {text!r:.200}")
        return max(repeats, self.count)
