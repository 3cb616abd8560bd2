"""Rounds, medians and required values, for all cases."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import NamedTuple, Protocol, TypeVar

from .driver import TIMEOUT

Sample = TypeVar("Sample")

#: Labels of peers in the table, if they differ from the name.
LABELS = {"dcrf": "DCRF", "without": "without lists"}


class Named(Protocol):
    """A peer, or anything else that samples are taken of."""

    @property
    def name(self) -> str:
        """The key of its samples."""


Participant = TypeVar("Participant", bound=Named)


class Spread(NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, middle, high = quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclass(frozen=True)
class Plan:
    """How long to measure: `rounds` from the command line, if any, and whether to be `quick`."""

    rounds: int | None = None
    quick: bool = False

    def count(self, usual: int, quick: int) -> int:
        """Return the rounds of a case: from the command line, or its usual or quick number."""
        return self.rounds or (quick if self.quick else usual)


@dataclass(frozen=True)
class Requirement:
    """A required value: its label and its test."""

    label: str
    test: Callable[["Line"], bool | None]
    #: Whether even the bare application misses it: then no library can reach it on this machine.
    bare_misses: Callable[["Line"], bool] = lambda line: False

    def verdict(self, line: "Line") -> str:
        """Return whether the line meets the requirement, as text."""
        met = self.test(line)
        if met is None:
            return "?"
        return "yes" if met else "NO (nor bare)" if self.bare_misses(line) else "NO"


@dataclass(frozen=True)
class Line:
    """One line of the table: the median of each peer, in `unit`."""

    case: str
    unit: str
    values: Mapping[str, float]
    requirements: Sequence[Requirement] = ()
    more_is_better: bool = False
    notes: Sequence[str] = field(default=())
    #: The values of the rounds by peer. Values with the same index are of the same round.
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def spread(self, peer: str) -> Spread:
        """Return the median and the quartiles of a peer's rounds."""
        return Spread.of(self.samples.get(peer) or [self.values[peer]])

    def gain(self, peer: str) -> float | None:
        """Return how many times better ours is than `peer`, or None if a value is missing."""
        spread = self.gain_spread(peer)
        return spread and spread.median

    def gain_spread(self, peer: str) -> Spread | None:
        """Return the same with its quartiles, from rounds that were measured in pairs."""
        pairs = zip(self.samples.get("ours", ()), self.samples.get(peer, ()), strict=False)
        ratios = [self._times_better(ours, other) for ours, other in pairs if ours and other]
        ratio = self.ratio("ours", peer)
        if not ratios and ratio is not None:
            ratios = [ratio]
        return Spread.of(ratios) if ratios else None

    def ratio(self, peer: str, other: str) -> float | None:
        """Return how many times better `peer` is than `other`, or None if a value is missing."""
        first, second = self.values.get(peer), self.values.get(other)
        return self._times_better(first, second) if first and second else None

    def _times_better(self, first: float, second: float) -> float:
        return first / second if self.more_is_better else second / first


def line_of(
    case: str,
    unit: str,
    samples: Mapping[str, Sequence[float]],
    requirements: Sequence[Requirement] = (),
    *,
    more_is_better: bool = False,
    notes: Sequence[str] = (),
) -> Line:
    """Return a line with the medians of the rounds."""
    taken = {peer: values for peer, values in samples.items() if values}
    return Line(case, unit, medians(taken), requirements, more_is_better, notes, taken)


def over(peer: str, factor: float) -> Requirement:
    """Require at least `factor` times the performance of `peer`."""

    def bare_misses(line: Line) -> bool:
        return _reaches(line.ratio("bare", peer), factor) is False

    label = f"≥ {factor:,g}× {LABELS.get(peer, peer)}"
    return Requirement(label, lambda line: _reaches(line.gain(peer), factor), bare_misses)


def over_raw(factor: float) -> Requirement:
    """Require at least `factor` times the performance of raw Channels."""
    return over("raw", factor)


def of_bare(share: float) -> Requirement:
    """Require at least this share of the performance of the bare application."""
    return Requirement(f"≥ {share:g} of bare", lambda line: _reaches(line.gain("bare"), share))


def of_bare_at_most(factor: float) -> Requirement:
    """Allow at most `factor` times the value of the bare application."""
    return Requirement(f"≤ {factor:g}× bare", lambda line: _reaches(line.gain("bare"), 1 / factor))


def at_most(limit: float, unit: str) -> Requirement:
    """Allow ours at most `limit`."""

    def test(line: Line) -> bool | None:
        value = line.values.get("ours")
        return None if value is None else value <= limit

    return Requirement(f"≤ {limit:g} {unit}".rstrip(), test)


def at_least(limit: float, unit: str) -> Requirement:
    """Require at least `limit` of ours."""

    def test(line: Line) -> bool | None:
        value = line.values.get("ours")
        return None if value is None else value >= limit

    return Requirement(f"≥ {limit:,g} {unit}".rstrip(), test)


def of_raw_at_most(share: float) -> Requirement:
    """Allow at most this share of the value of raw Channels."""
    return Requirement(f"≤ {share:g}× raw", lambda line: _reaches(line.gain("raw"), 1 / share))


def _reaches(gain: float | None, required: float) -> bool | None:
    return None if gain is None else gain >= required


async def interleave(
    peers: Sequence[Participant],
    rounds: int,
    sample: Callable[[Participant], Awaitable[Sample]],
    limits: Mapping[str, int] | None = None,
) -> dict[str, list[Sample]]:
    """Take samples in the order A B C A B C …

    `limits` has the most rounds of slow peers, which would take minutes otherwise.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for number in range(rounds):
        for peer in peers:
            if number < (limits or {}).get(peer.name, rounds):
                samples[peer.name].append(await without_gc(sample, peer))
    return dict(samples)


async def without_gc(
    sample: Callable[[Participant], Awaitable[Sample]], peer: Participant
) -> Sample:
    """Take one sample without garbage collection during it."""
    gc.collect()
    gc.disable()
    try:
        async with asyncio.timeout(TIMEOUT):
            return await sample(peer)
    finally:
        gc.enable()


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each peer's samples."""
    return {name: median(values) for name, values in samples.items() if values}


def number(value: float | None) -> str:
    """Format a number with three digits, or a dash for None."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
