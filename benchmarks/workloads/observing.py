"""A signal with many observers, each with a handler of its own."""

from asgiref.sync import sync_to_async

from ..peers import Peer
from .sending import Sending


class ObserverHandlers(Sending):
    """Sends a signal. The handler of every connection answers with one frame."""

    application = "observer handlers"

    def __init__(self, peer: Peer, members: int) -> None:
        super().__init__(peer, members)
        assert peer.send_signal is not None
        self.send_signal = peer.send_signal

    async def send(self, number: int) -> None:
        await sync_to_async(self.send_signal)(number)

    def check(self, number: int, content: object) -> None:
        if content != {"number": number}:
            raise RuntimeError(f"not the sent content: {content!r:.200}")
