"""The tables of `docs/performance.md`, made from the committed results.

`python -m benchmarks --draw` writes them between the marks of the page, and draws the plots.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .environments import PROJECT
from .measuring import LABELS, number
from .plots import ORDER
from .results import Result

PAGE = PROJECT / "docs" / "performance.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->"

#: The cases in the order of the page, with their headings.
HEADINGS = {
    "frames": "A frame and its answer",
    "connect": "Connect and close",
    "sending": "Messages to many clients of one process",
    "observers": "Observers",
    "idle": "Memory of an idle connection",
    "idle-server": "10,000 idle connections to a real server",
    "e2e": "A real server, 500 sockets",
    "latency": "Latency under mixed traffic",
    "deflate": "Compression",
    "redis": "Two processes over Redis",
    "publish": "Publishing to Redis",
    "outage": "Outages of the broker",
    "handlers": "Many connections in a slow handler",
    "postgresql": "PostgreSQL",
    "lists": "Long lists",
    "import": "Import",
}


def tables(results: Mapping[str, Result]) -> str:
    """Return a section for each result: a heading, the plot and the table."""
    return "\n\n".join(section(case, results[case]) for case in HEADINGS if case in results)


def section(case: str, result: Result) -> str:
    """Return the section of one result."""
    parts = [f"### {HEADINGS[case]}"]
    lines = [line for line in result["lines"] if line["peers"]]
    parts.append(f"`python -m benchmarks {case}`, {result['date']}.")
    if lines:
        parts.append(f"![{HEADINGS[case]}](images/benchmarks/{case}.svg)")
        parts.append("\n".join(rows(lines)))
    notes = dict.fromkeys(note for line in result["lines"] for note in line["notes"])
    parts.extend(f"- {note}" for note in notes)
    return "\n\n".join(parts)


def rows(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the rows of a table. A column that no line has a value for is left out."""
    found = {name for line in lines for name in line["peers"]}
    peers = [*sorted(found, key=(*ORDER, *sorted(found)).index)]
    floors = any(line["requirements"] for line in lines)
    head = ["", *(LABELS.get(peer, peer) for peer in peers)]
    head += [f"× {LABELS.get(peer, peer)}" for peer in peers if peer in ("raw", "bare")]
    head += ["goal", "met"] if floors else []
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"
    for line in lines:
        cells = [line["line"], *(value(line, peer) for peer in peers)]
        cells += [gain(line, peer) for peer in peers if peer in ("raw", "bare")]
        if floors:
            goals = line["requirements"]
            cells += [", ".join(goals) or "–", ", ".join(goals.values()).lower() or "–"]
        yield f"| {' | '.join(cells)} |"


def value(line: dict[str, Any], peer: str) -> str:
    """Return the median of a peer with its unit."""
    spread = line["peers"].get(peer)
    return "–" if spread is None else f"{number(spread['median'])} {line['unit']}".rstrip()


def gain(line: dict[str, Any], peer: str) -> str:
    """Return how many times better ours is than `peer`."""
    spread = line["times_better"].get(peer)
    return number(None if spread is None else spread["median"])


def written(page: str, text: str) -> str:
    """Return the page with `text` between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n\n{END}{rest.split(END)[1]}"


def write(results: Mapping[str, Result], path: Path = PAGE) -> None:
    """Replace the tables of the page."""
    page = path.read_text(encoding="utf-8")
    path.write_text(written(page, tables(results)), encoding="utf-8")
