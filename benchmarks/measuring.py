"""Rounds, medians and floors: what is common to all cases."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol, TypeVar

from .driver import PATIENCE

Sample = TypeVar("Sample")

#: How a peer is called, where that is not its name.
WORDS = {"dcrf": "DCRF"}


class Named(Protocol):
    """A peer, or what else takes turns."""

    @property
    def name(self) -> str:
        """Under which its samples are found."""


Taker = TypeVar("Taker", bound=Named)


@dataclass(frozen=True)
class Plan:
    """How long to measure: `rounds` asked for (or None, each case's own number), `quick` or not."""

    rounds: int | None = None
    quick: bool = False

    def count(self, usual: int, quick: int) -> int:
        """The rounds of a case: as asked, else its usual number, or its quick one."""
        return self.rounds or (quick if self.quick else usual)


@dataclass(frozen=True)
class Floor:
    """What is asked of a line: the words for it, and the test."""

    words: str
    test: Callable[["Line"], bool | None]
    #: Whether even the bare application misses it, so that on this machine nothing can reach it.
    beyond: Callable[["Line"], bool] = lambda line: False

    def verdict(self, line: "Line") -> str:
        """Met or not, in a word."""
        met = self.test(line)
        if met is None:
            return "?"
        return "yes" if met else "NO (nor bare)" if self.beyond(line) else "NO"


@dataclass(frozen=True)
class Line:
    """One line of the table: a value per peer (the median), in `unit`."""

    case: str
    unit: str
    values: Mapping[str, float]
    floors: Sequence[Floor] = ()
    more_is_better: bool = False
    notes: Sequence[str] = field(default=())

    def gain(self, peer: str) -> float | None:
        """How many times better ours is than `peer`; None when one of them has no value."""
        return self.ratio("ours", peer)

    def ratio(self, one: str, other: str) -> float | None:
        """How many times better one peer is than another."""
        this, that = self.values.get(one), self.values.get(other)
        if not this or not that:
            return None
        return this / that if self.more_is_better else that / this


def over(peer: str, factor: float) -> Floor:
    """At least `factor` times as good as that peer."""

    def beyond(line: Line) -> bool:
        return _reaches(line.ratio("bare", peer), factor) is False

    words = f"≥ {factor:,g}× {WORDS.get(peer, peer)}"
    return Floor(words, lambda line: _reaches(line.gain(peer), factor), beyond)


def over_raw(factor: float) -> Floor:
    """At least `factor` times as good as raw Channels."""
    return over("raw", factor)


def of_bare(share: float) -> Floor:
    """At least this share of what the bare application reaches."""
    return Floor(f"≥ {share:g} of bare", lambda line: _reaches(line.gain("bare"), share))


def of_bare_at_most(factor: float) -> Floor:
    """At most so many times what the bare application takes."""
    return Floor(f"≤ {factor:g}× bare", lambda line: _reaches(line.gain("bare"), 1 / factor))


def at_most(limit: float, unit: str) -> Floor:
    """An absolute limit for ours."""

    def test(line: Line) -> bool | None:
        value = line.values.get("ours")
        return None if value is None else value <= limit

    return Floor(f"≤ {limit:g} {unit}".rstrip(), test)


def of_raw_at_most(share: float) -> Floor:
    """At most this share of what raw Channels takes."""
    return Floor(f"≤ {share:g}× raw", lambda line: _reaches(line.gain("raw"), 1 / share))


def _reaches(gain: float | None, floor: float) -> bool | None:
    return None if gain is None else gain >= floor


async def interleave(
    peers: Sequence[Taker],
    rounds: int,
    sample: Callable[[Taker], Awaitable[Sample]],
    limits: Mapping[str, int] | None = None,
) -> dict[str, list[Sample]]:
    """Take samples in turns: A B C A B C …

    Peers named in `limits` are left out after so many rounds (a slow one would take minutes).
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for number in range(rounds):
        for peer in peers:
            if number < (limits or {}).get(peer.name, rounds):
                samples[peer.name].append(await quietly(sample, peer))
    return dict(samples)


async def quietly(sample: Callable[[Taker], Awaitable[Sample]], peer: Taker) -> Sample:
    """One sample with the garbage collector out of the way, the same way for each peer."""
    gc.collect()
    gc.disable()
    try:
        async with asyncio.timeout(PATIENCE):
            return await sample(peer)
    finally:
        gc.enable()


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each peer's samples."""
    return {name: median(values) for name, values in samples.items() if values}


def number(value: float | None) -> str:
    """Three digits are enough; nothing for nothing."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
