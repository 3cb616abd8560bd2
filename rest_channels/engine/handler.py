"""What a connection knows of the class that people wrote."""

from collections.abc import Awaitable
from typing import Protocol

from ..protocol.messages import Event, Frame, Gap

__all__ = ["Handler"]


class Handler(Protocol):
    """Four things may happen to it.

    It handles its own errors. `overrides_sending` says whether it wants to see even what groups say
    rendered for the wire; `handles_gaps`, whether it has anything to do on a gap.
    """

    overrides_sending: bool
    handles_gaps: bool

    def connect(self) -> Awaitable[None]:
        """The handshake has come. What is not closed on return is accepted."""

    def receive(self, frame: Frame) -> Awaitable[None]:
        """A frame has come."""

    async def event(self, event: Event | Gap) -> None:
        """A group says something that was not rendered for the wire, or it got lost."""

    async def disconnect(self, code: int) -> None:
        """It is over. Called once, and always if `connect` was."""
