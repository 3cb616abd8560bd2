"""Compares the lists that a client has shown with those that each commit has made.

One process writes, and notes what each list should be after each commit. So a list that a client
shows has to be one of these, and never an earlier one than the list before.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Commit:
    """A commit that has changed a list."""

    begun: float
    done: float
    rows: str
    """The list after it, as JSON."""


@dataclass(frozen=True)
class Shown:
    """What a client has shown."""

    at: float
    rows: str | None
    """The list as JSON, or `None` for an error."""


@dataclass
class Comparison:
    """What differs between a list as it was shown and as it should be."""

    wrong: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """Seconds from each commit to the moment at which the client's list equals a list since it."""
    unanswered: int = 0
    """Commits after which it never did."""


def compare(commits: Sequence[Commit], log: Sequence[Shown]) -> Comparison:
    """Compare what one client has shown of one list with the commits that changed it."""
    found = Comparison()
    begun = [commit.begun for commit in commits]
    current = -1
    for shown in log:
        if shown.rows is None:
            found.wrong.append(f"{shown.at}: an error")
            continue
        known = bisect_right(begun, shown.at)
        same = [number for number in range(known) if commits[number].rows == shown.rows]
        if following := [number for number in same if number >= current]:
            current = following[0]
        elif same:
            found.wrong.append(f"{shown.at}: the list of commit {same[-1]}, after {current}")
        else:
            found.wrong.append(f"{shown.at}: {shown.rows}, which never was the list")
    _measure(commits, log, found)
    return found


def _measure(commits: Sequence[Commit], log: Sequence[Shown], found: Comparison) -> None:
    """Find the delay of each commit but the first, which made the list that was there before."""
    moments: list[tuple[float, Commit | Shown]] = [(commit.begun, commit) for commit in commits]
    moments += [(shown.at, shown) for shown in log]
    rows: str | None = None
    known: list[Commit] = []
    waiting: list[Commit] = []
    for at, each in sorted(moments, key=lambda moment: moment[0]):
        if isinstance(each, Commit):
            waiting += [each] if known else []
            known.append(each)
        else:
            rows = each.rows
        last = next((each for each in reversed(known) if each.rows == rows), None)
        while last is not None and waiting and waiting[0].begun <= last.begun:
            found.delays.append(max(at - waiting.pop(0).done, 0))
    found.unanswered = len(waiting)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all are at most, such as 0.99."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
