"""Numbers on what processes say to each other, so that nothing is lost without a trace.

Everything that one publisher says to one group is a *stream*, numbered from 1. Who hears the
stream sees a hole as soon as a later number comes, and the loss of the last one when the publisher
tells its *heads*, a second later. Nothing here waits, and no clock of another machine is trusted:
ages travel, times do not.
"""

from dataclasses import dataclass

from .packets import CommandPacket, EventsPacket, StreamHeads

__all__ = ["ReceivedStreams", "SentStreams"]

FORGET = 60.0
"""Seconds without a word after which a publisher forgets a stream; the next word begins another."""

KEEP = 600.0
"""The same for a stream whose last words did not leave."""

RIPE = 1.0
"""Seconds until a word is told as a head: it has had the time to arrive."""

TOLD = 6.0
"""Seconds during which it is told again each second: heads may be lost as well."""

LATE = 1.0
"""Seconds that a message may take without making a new member believe that it missed one."""


@dataclass(slots=True)
class Stream:
    """One stream as its publisher, or one of its hearers, knows it. Times are this process's."""

    began: float
    number: int
    last: float
    """When its last word was said, or heard."""
    undelivered: bool = False


class SentStreams:
    """The streams of one publisher. `now` is its monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}

    def take(self, group: str, count: int, now: float) -> tuple[float, float, int]:
        """Numbers for the next `count` words to `group`: (began, age, the first number)."""
        stream = self.streams.get(group)
        if stream is None:
            stream = self.streams[group] = Stream(now, 0, now)
        first = stream.number + 1
        stream.number += count
        stream.last = now
        return stream.began, now - stream.began, first

    def lost(self, group: str) -> None:
        """The last words to `group` did not leave; its head is told once something does."""
        if (stream := self.streams.get(group)) is not None:
            stream.undelivered = True

    def restore(self, now: float) -> None:
        """Words leave again: what was lost is due to be told."""
        for stream in self.streams.values():
            if stream.undelivered:
                stream.undelivered = False
                stream.last = now - RIPE

    def heads(self, now: float) -> StreamHeads:
        """The streams to tell now. What nobody has used for long is forgotten."""
        for group, stream in list(self.streams.items()):
            if now - stream.last > (KEEP if stream.undelivered else FORGET):
                del self.streams[group]
        return StreamHeads(
            {
                group: (stream.began, now - stream.began, stream.number)
                for group, stream in self.streams.items()
                if RIPE <= now - stream.last < TOLD
            }
        )

    def has_news(self, now: float) -> bool:
        """Whether there are, or soon will be, heads to tell."""
        return any(now - stream.last < TOLD for stream in self.streams.values())


class ReceivedStreams:
    """The streams that one hub hears, of the groups it is a member of."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._streams: dict[str, dict[str, Stream]] = {}

    def join(self, group: str, now: float) -> None:
        """From now on what is said to `group` is expected."""
        self._since[group] = now
        self._streams[group] = {}

    def leave(self, group: str) -> None:
        """It no longer is."""
        self._since.pop(group, None)
        self._streams.pop(group, None)

    def take(self, source: str, said: EventsPacket | CommandPacket, now: float) -> tuple[int, int]:
        """Note what `source` said: (words missing before it, words of it that were heard before).

        The latter happens: after a failure a layer may deliver again.
        """
        count = len(said.events) if isinstance(said, EventsPacket) else 1
        missing = self._expect(source, said.group, said.began, said.age, said.number - 1, now)
        stream = self._streams.get(said.group, {}).get(source)
        if stream is None:
            return 0, 0
        last = said.number + count - 1
        again = min(stream.number - said.number + 1, count)
        stream.number = max(stream.number, last)
        return missing, max(again, 0)

    def heads(self, source: str, heads: StreamHeads, now: float) -> dict[str, int]:
        """What is missing by `source`'s own account: group → how many words."""
        missing = {}
        for group, (began, age, number) in heads.streams.items():
            if count := self._expect(source, group, began, age, number, now):
                missing[group] = count
        return missing

    def _expect(
        self, source: str, group: str, began: float, age: float, number: int, now: float
    ) -> int:
        """How many words up to `number` are missing; they count as heard from now on."""
        streams = self._streams.get(group)
        if streams is None:
            return 0
        stream = streams.get(source)
        if stream is None or stream.began != began:
            member_then = now - self._since[group] > age + LATE
            streams[source] = Stream(began, number, now)
            return number if member_then else 0
        missing = max(number - stream.number, 0)
        stream.number += missing
        stream.last = now
        return missing

    def forget_idle(self, now: float) -> None:
        """Drop the streams whose publishers have forgotten them."""
        for streams in self._streams.values():
            for source in [s for s, one in streams.items() if now - one.last > KEEP + FORGET]:
                del streams[source]
