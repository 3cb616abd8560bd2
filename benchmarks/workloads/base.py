"""The base class of workloads."""

from ..peers import Peer


class Workload:
    """Work of one peer, in the loop of its process."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def open(self) -> None:
        """Prepare, for example open the sockets."""

    async def run(self, repeats: int) -> int:
        """Do the work `repeats` times, check the result, and return the number of operations."""
        raise NotImplementedError
