"""Clients that connect and leave again."""

from ..driver import close_sockets, open_sockets
from ..peers import Peer
from .base import Workload

BATCH = 100


class Connect(Workload):
    """Opens and closes `BATCH` sockets at once. An operation is one socket."""

    def __init__(self, peer: Peer, application: str) -> None:
        super().__init__(peer)
        self.name = application

    async def run(self, repeats: int) -> int:
        for _ in range(repeats):
            await close_sockets(await open_sockets(self.peer[self.name], BATCH))
        return repeats * BATCH
