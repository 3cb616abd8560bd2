"""Compares the ratios of two results: how many times better ours is than each other peer.

Ratios can be compared between machines of the same kind, and times cannot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .measuring import Spread, number
from .results import Result

#: A change counts if the quartiles are further apart than this share. Caches, versions of the
#: kernel and short samples move a ratio by a few percent.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Change:
    """One ratio, in the committed result and now."""

    case: str
    line: str
    peer: str
    before: Spread
    now: Spread

    @property
    def is_slower(self) -> bool:
        """Whether even the upper quartile is below the committed lower quartile."""
        return self.now.high < self.before.low * (1 - TOLERANCE)

    @property
    def is_faster(self) -> bool:
        """Whether even the lower quartile is above the committed upper quartile."""
        return self.now.low > self.before.high * (1 + TOLERANCE)

    def __str__(self) -> str:
        return f"{self.case}: {self.line}: {texts(self.before)} → {texts(self.now)} × {self.peer}"


@dataclass
class Comparison:
    """The ratios of both results."""

    changes: list[Change] = field(default_factory=list)
    #: What could not be compared, and why.
    missing: list[str] = field(default_factory=list)
    #: Packages whose versions differ.
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def slower(self) -> list[Change]:
        """The ratios that became worse than the quartiles allow."""
        return [change for change in self.changes if change.is_slower]

    @property
    def faster(self) -> list[Change]:
        """The ratios that became better than the quartiles allow."""
        return [change for change in self.changes if change.is_faster]


def texts(spread: Spread) -> str:
    """Return the median and the quartiles as text."""
    return f"{number(spread.median)} ({number(spread.low)} to {number(spread.high)})"


def compare(committed: dict[str, Result], measured: Sequence[Result]) -> Comparison:
    """Compare each measured result with the committed one of the same case."""
    comparison = Comparison()
    for result in measured:
        case = result["case"]
        if case not in committed:
            comparison.missing.append(f"{case}: no committed result")
            continue
        before = committed[case]
        entries = {entry["line"]: entry for entry in before["lines"]}
        for entry in result["lines"]:
            if entry["line"] in entries:
                comparison.changes += changes(case, entries[entry["line"]], entry)
            else:
                comparison.missing.append(f"{case}: {entry['line']}: not in the committed result")
        for name, version in result["versions"].items():
            if (old := before["versions"].get(name)) not in (None, version):
                comparison.versions[name] = f"{name} {old} → {version}"
    return comparison


def changes(case: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Yield the ratios that both entries have."""
    for peer, spread in now["times_better"].items():
        if peer in before["times_better"]:
            old = Spread(**before["times_better"][peer])
            yield Change(case, now["line"], peer, old, Spread(**spread))


def as_text(comparison: Comparison) -> str:
    """Return what became slower and faster, and what was not compared."""
    slower, faster = comparison.slower, comparison.faster
    lines = [f"Compared {len(comparison.changes)} ratios with the committed results."]
    lines += ["Slower than the quartiles allow:", *indented(slower)] if slower else []
    lines += ["Faster than the quartiles allow:", *indented(faster)] if faster else []
    if comparison.changes and not slower and not faster:
        lines.append("All are within their quartiles.")
    lines += ["Not compared:", *indented(comparison.missing)] if comparison.missing else []
    if comparison.versions:
        lines.append(f"Other versions: {', '.join(comparison.versions.values())}.")
    return "\n".join(lines)


def indented(items: Sequence[Any]) -> list[str]:
    """Return one line for each item."""
    return [f"  {item}" for item in items]
