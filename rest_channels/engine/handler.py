"""The interface between a connection and the class that users wrote, and its states."""

from collections.abc import Awaitable, Coroutine
from enum import IntEnum
from typing import Any, Protocol

from ..protocol.dialects import Dialect, PlainDialect
from ..protocol.messages import Event, Frame, Gap

__all__ = ["OPEN", "EndedHandler", "Handler", "State"]


class State(IntEnum):
    """The state of a connection. It only moves forward."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


OPEN = State.OPEN
"""For what runs for each frame. CPython reads a global three times as fast as a member of an enum.

It does not specialise the access to a class attribute whose value is an instance of a class that
is written in Python.
"""


class EndedHandler:
    """The handler of a connection that has ended: nothing more happens."""

    overrides_sending = False
    sends_in_order = False
    handles_gaps = False
    dialect: Dialect = PlainDialect()

    def handles_disconnect(self) -> bool:
        return False

    async def connect(self) -> None:
        """Do nothing."""

    async def receive(self, frame: Frame) -> None:
        """Do nothing."""

    async def event(self, event: Event | Gap) -> None:
        """Do nothing."""

    async def disconnect(self, code: int) -> None:
        """Do nothing."""


class Handler(Protocol):
    """Handles the events of one connection, and its own errors."""

    overrides_sending: bool
    """Whether it also handles group messages that are rendered for the wire already."""

    sends_in_order: bool
    """Whether what a call sends to its own client keeps its order with messages to its groups."""

    handles_gaps: bool
    """Whether it does anything when group messages are missing."""

    dialect: Dialect
    """The format of the error frame for a refused client."""

    def connect(self) -> Awaitable[None] | None:
        """Handle the handshake, now or in what is returned.

        A connection that is not closed afterwards is accepted.
        """

    def receive(self, frame: Frame) -> Coroutine[Any, Any, None]:
        """Handle a frame, errors included."""

    async def event(self, event: Event | Gap) -> None:
        """Handle a group message that was not rendered for the wire, or missing messages."""

    def handles_disconnect(self) -> bool:
        """Return whether `disconnect` does anything."""

    async def disconnect(self, code: int) -> None:
        """Handle the end. Called once if `connect` was called, and if it does anything."""
