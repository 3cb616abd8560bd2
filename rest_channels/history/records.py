"""The records that stores return, and the error that they raise."""

from typing import NamedTuple

from ..protocol.messages import Position

__all__ = ["KeptMessage", "Page", "Position", "StoreUnavailable"]


class KeptMessage(NamedTuple):
    """A message that the store has."""

    offset: int
    text: str
    """The text of the frame."""


class Page(NamedTuple):
    """The messages after a position."""

    position: Position
    """The epoch of the group, and the offset of its last message."""
    messages: tuple[KeptMessage, ...]
    """From the next offset on, without holes. Empty if there is a gap."""
    has_more: bool
    """Whether the page was ended by its limit of bytes."""
    is_gap: bool
    """Whether the next message is no longer there, or never was in this epoch."""


class StoreUnavailable(Exception):
    """The store failed, or did not answer in time."""
