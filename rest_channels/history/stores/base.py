"""The interface of all stores, and what they have in common."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..records import KeptMessage, Page, Position

__all__ = [
    "EPOCH_AGE",
    "PAGE_BYTES",
    "WRITER_AGE",
    "Append",
    "HistoryStore",
    "Retention",
    "new_epoch_name",
    "text_size",
]

PAGE_BYTES = 262_144
"""The most bytes of text in a `Page`, unless one message is larger."""

EPOCH_AGE = 86_400.0
"""Seconds for which the epoch and the last offset of a group are kept after their last use.

They outlive the messages. Otherwise the next message would begin another epoch, and clients that
have missed nothing would be told of a gap.
"""

WRITER_AGE = 60.0
"""Seconds for which the last number of a writer is kept, at least. Appends are repeated for 1 s."""


class Retention(Protocol):
    """How much of a group is kept: a `History`."""

    @property
    def size(self) -> int:
        """Messages."""

    @property
    def age(self) -> float:
        """Seconds."""


class Append(NamedTuple):
    """A message to be appended to a group."""

    group: str
    text: str
    history: Retention
    writer: str
    """The name of the node that appends."""
    number: int
    """The numbers of a writer to a group rise. A repeated number is the same message."""


class HistoryStore(ABC):
    """The last messages of groups, numbered from 1 in each epoch of a group.

    Groups have the names of the channel layer: at most 99 ASCII letters, digits, `-`, `_` and `.`.
    Every method raises `StoreUnavailable` if the store fails, or after about a second.
    """

    async def append(
        self, group: str, text: str, history: Retention, writer: str, number: int
    ) -> Position:
        """Append a message, unless the writer has appended this number before.

        Args:
            group: The name of the group.
            text: The text of the frame.
            history: How much of the group is kept.
            writer: The name of the node that appends.
            number: Higher than all numbers that the writer has appended to the group.

        Returns:
            The position of the message. For a repeated number that of the first call, or the offset
            0 if that message is not kept any more, or was appended before the epoch.
        """
        return (await self.append_many([Append(group, text, history, writer, number)]))[0]

    @abstractmethod
    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        """Append messages in their order, as `append` does, and return their positions."""

    @abstractmethod
    async def since(self, group: str, position: Position, limit: int = PAGE_BYTES) -> Page:
        """Return the messages after `position`.

        Args:
            group: The name of the group.
            position: What the reader has. It may come from a client, so it may be anything.
            limit: The most bytes of text. One message is returned in any case.
        """

    @abstractmethod
    async def position(self, group: str, history: Retention) -> Position:
        """Return the epoch and the last offset. Begin an epoch, at offset 0, if there is none."""

    @abstractmethod
    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        """Return the position of each group, `None` for one that has no epoch, and keep them."""

    @abstractmethod
    async def new_epoch(
        self, group: str, history: Retention, writer: str = "", number: int = 0
    ) -> Position:
        """Delete the messages, and begin another epoch at offset 0.

        Args:
            group: The name of the group.
            history: How much of the group is kept.
            writer: The name of the node that begins it.
            number: A number of the writer, as for an append. Appends of lower numbers, which may
                still arrive, append nothing. A repeated number begins nothing.
        """

    @abstractmethod
    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        """Return the newest messages, at most `limit`, oldest first."""

    @abstractmethod
    async def close(self) -> None:
        """End connections and threads' work. The store may be used again."""


def new_epoch_name() -> str:
    """Return a name that no epoch had before."""
    return secrets.token_urlsafe(9)


def text_size(text: str) -> int:
    """Return the bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
