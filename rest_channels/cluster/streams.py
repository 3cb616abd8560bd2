"""Numbers the messages between processes, so that the loss of any message is noticed.

All messages of one publisher to one group are a *stream*, numbered from 1. A receiver notices a
gap when a later number arrives. It notices the loss of the last messages when the publisher sends
the *last numbers* of its streams, a second later. Nothing here waits. Clocks of different machines
are not compared: packets carry ages, not times.
"""

from dataclasses import dataclass

from .packets import CommandPacket, EventsPacket, LastNumbers

__all__ = ["ReceivedStreams", "SentStreams"]

FORGET_AFTER = 60.0
"""Seconds without a message after which a publisher forgets a stream. The next begins a new one."""

FORGET_UNDELIVERED_AFTER = 600.0
"""The same for a stream whose last messages could not be sent."""

REPORT_AFTER = 1.0
"""Seconds after a message until its number is reported: it has had time to arrive."""

REPORT_UNTIL = 6.0
"""Seconds after a message in which its number is repeated: a report may be lost as well."""

MAX_DELAY = 1.0
"""Seconds. A node that joined this long before a stream began must have received all of it."""


@dataclass(slots=True)
class Stream:
    """One stream as its publisher or one of its receivers knows it, on this process's clock."""

    began: float
    number: int
    last: float
    """When its last message was sent or received."""
    undelivered: bool = False


class SentStreams:
    """The streams of one publisher. `now` is its monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}

    def take_numbers(self, group: str, count: int, now: float) -> tuple[float, float, int]:
        """Number the next `count` messages to `group`. Return (began, age, first number)."""
        stream = self.streams.get(group)
        if stream is None:
            stream = self.streams[group] = Stream(now, 0, now)
        first = stream.number + 1
        stream.number += count
        stream.last = now
        return stream.began, now - stream.began, first

    def mark_undelivered(self, group: str) -> None:
        """Note that the last messages to `group` were not sent: `restore` makes it report them."""
        if (stream := self.streams.get(group)) is not None:
            stream.undelivered = True

    def restore(self, now: float) -> None:
        """Note that messages can be sent again: undelivered streams report their numbers."""
        for stream in self.streams.values():
            if stream.undelivered:
                stream.undelivered = False
                stream.last = now - REPORT_AFTER

    def keep_due(self, report: LastNumbers, now: float) -> None:
        """Note that `report` had no room in the queue: the next one contains its streams too."""
        for group in report.streams:
            if (stream := self.streams.get(group)) is not None:
                stream.last = now - REPORT_AFTER

    def last_numbers(self, now: float) -> LastNumbers:
        """Return the last numbers that are due, and forget the streams that are no longer used."""
        for group, stream in list(self.streams.items()):
            limit = FORGET_UNDELIVERED_AFTER if stream.undelivered else FORGET_AFTER
            if now - stream.last > limit:
                del self.streams[group]
        return LastNumbers(
            {
                group: (stream.began, now - stream.began, stream.number)
                for group, stream in self.streams.items()
                if REPORT_AFTER <= now - stream.last < REPORT_UNTIL
            }
        )

    def has_last_numbers(self, now: float) -> bool:
        """Return whether a last number is due or will be due."""
        return any(now - stream.last < REPORT_UNTIL for stream in self.streams.values())


class ReceivedStreams:
    """The streams that one node receives, of the groups it is a member of."""

    def __init__(self) -> None:
        self._joined_at: dict[str, float] = {}
        self._streams: dict[str, dict[str, Stream]] = {}

    def join(self, group: str, now: float) -> None:
        """Expect all messages to `group` from now on."""
        self._joined_at[group] = now
        self._streams[group] = {}

    def leave(self, group: str) -> None:
        self._joined_at.pop(group, None)
        self._streams.pop(group, None)

    def receive(
        self, source: str, packet: EventsPacket | CommandPacket, now: float
    ) -> tuple[int, int]:
        """Return how many messages before `packet` are missing, and how many in it are repeated.

        A layer may deliver messages again after a failure. `source` is the node of the publisher.
        """
        group, number = packet.group, packet.number
        count = len(packet.events) if isinstance(packet, EventsPacket) else 1
        missing = self._count_missing(source, group, packet.began, packet.age, number - 1, now)
        stream = self._streams.get(group, {}).get(source)
        if stream is None:
            return 0, 0
        repeated = min(stream.number - number + 1, count)
        stream.number = max(stream.number, number + count - 1)
        return missing, max(repeated, 0)

    def receive_last_numbers(self, source: str, packet: LastNumbers, now: float) -> dict[str, int]:
        """Return how many messages of `source` are missing, by group."""
        missing = {}
        for group, (began, age, number) in packet.streams.items():
            if count := self._count_missing(source, group, began, age, number, now):
                missing[group] = count
        return missing

    def _count_missing(
        self, source: str, group: str, began: float, age: float, number: int, now: float
    ) -> int:
        """Return how many messages up to `number` are missing, and count them as received."""
        streams = self._streams.get(group)
        if streams is None:
            return 0
        stream = streams.get(source)
        if stream is None or stream.began != began:
            was_member = now - self._joined_at[group] > age + MAX_DELAY
            streams[source] = Stream(began, number, now)
            return number if was_member else 0
        missing = max(number - stream.number, 0)
        stream.number += missing
        stream.last = now
        return missing

    def forget_idle(self, now: float) -> None:
        """Forget the streams that their publishers have forgotten."""
        limit = FORGET_UNDELIVERED_AFTER + FORGET_AFTER
        for streams in self._streams.values():
            for source in [name for name, stream in streams.items() if now - stream.last > limit]:
                del streams[source]
