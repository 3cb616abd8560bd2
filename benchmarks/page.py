"""The tables of `docs/performance.md` and of the README, made from the committed results.

`python -m benchmarks --draw` writes them between the marks of these pages, and draws the plots.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .environments import PROJECT
from .measuring import LABELS, number
from .plots import ORDER
from .results import Result

PAGE = PROJECT / "docs" / "performance.md"
README = PROJECT / "README.md"
BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->"

#: The cases in the order of the page, with their headings.
HEADINGS = {
    "frames": "A frame and its answer",
    "connect": "Connect and close",
    "sending": "Messages to many clients of one process",
    "observers": "Observers",
    "live": "Live queries",
    "idle": "Memory of an idle connection",
    "idle-server": "10,000 idle connections to a real server",
    "e2e": "A real server, 500 sockets",
    "latency": "Latency under mixed traffic",
    "deflate": "Compression",
    "redis": "Two processes over Redis",
    "publish": "Publishing to Redis",
    "outage": "Outages of the broker",
    "history": "Messages that groups keep",
    "returning": "5,000 clients that come back",
    "handlers": "Many connections in a slow handler",
    "postgresql": "PostgreSQL",
    "lists": "Long lists",
    "import": "Import",
}


Row = tuple[str, str, str]
"""What an operation is called in a short table; the case and the line that have its result."""

SUMMARY: Sequence[Row] = (
    ("a frame and its answer: a method of a view", "frames", "echo, 1 connection"),
    ("an action with a permission", "frames", "action, 1 connection"),
    (
        "an action that reads a row through a serializer",
        "frames",
        "action 'retrieve' with a ModelSerializer",
    ),
    ("a `def` handler that does nothing", "frames", "`def` handler that does nothing"),
    ("connect and close, a view", "connect", "connect and close, a view"),
    (
        "connect and close, an `AsyncAPIConsumer`",
        "connect",
        "connect and close, an AsyncAPIConsumer",
    ),
    (
        "a message to a group of 1,000, for each member",
        "sending",
        "fan-out, 1,000 members, small, per delivery",
    ),
    (
        "an `@observer` with a handler, for each of 1,000 members",
        "sending",
        "@observer with a handler, 1,000 members, per delivery",
    ),
    (
        "a frame over a real server, 500 sockets",
        "e2e",
        "end to end, 500 sockets, echo, CPU time of the server per frame",
    ),
)

COSTS: Sequence[Row] = (
    ("a frame and its answer, CPU time", "frames", "echo, 1 connection"),
    (
        "a message to a group of 1,000 clients, CPU time for each",
        "sending",
        "fan-out, 1,000 members, small, per delivery",
    ),
    (
        "a row is saved that 1,000 clients watch, until the last one has it",
        "observers",
        "a row is saved, 1,000 observers: until the last event",
    ),
)


def blocks(results: Mapping[str, Result]) -> dict[Path, dict[str, str]]:
    """Return what each page has between its marks, by the name in the marks."""
    ours = {"ours": "ours", "raw": "raw Channels", "bare": "bare"}
    summary = {"goals": goals(results), "results": tables(results)}
    summary["summary"] = "\n".join(short_rows(results, SUMMARY, "CPU time of", ours))
    costs = "\n".join(short_rows(results, COSTS, "", {"ours": "REST Channels", "raw": "Channels"}))
    return {PAGE: summary, README: {"costs": f"{costs}\n\n{origin(results['frames'])}"}}


def short_rows(
    results: Mapping[str, Result], rows: Sequence[Row], title: str, peers: Mapping[str, str]
) -> Iterator[str]:
    """Yield the rows of a short table, with a column for each of the `peers`."""
    yield f"| {' | '.join([title, *peers.values()])} |"
    yield f"| {' | '.join(['---', *['---:'] * len(peers)])} |"
    for label, case, name in rows:
        line = next(line for line in results[case]["lines"] if line["line"] == name)
        yield f"| {' | '.join([label, *(value(line, peer) for peer in peers)])} |"


def goals(results: Mapping[str, Result]) -> str:
    """Return a table of the goals that no result reaches."""
    rows = ["| case | goal | measured |", "| --- | --- | ---: |"]
    for case in HEADINGS:
        for line in results[case]["lines"] if case in results else ():
            for goal, met in line["requirements"].items():
                if met.startswith("NO"):
                    rows.append(f"| {line['line']} | {goal} | {measured(line, goal)} |")
    return "\n".join(rows)


def measured(line: dict[str, Any], goal: str) -> str:
    """Return what a goal compares: how many times better ours is, or its value."""
    for ending in (" of bare", "× raw", "× bare", "× DCRF"):
        spread = line["times_better"].get(ending.split()[-1].lower())
        if goal.endswith(ending) and spread is not None:
            times = spread["median"]
            return number(1 / times if goal.startswith("≤") else times) + ending
    return value(line, "ours")


def origin(result: Result) -> str:
    """Return when and with what a result was measured, and where all of them are."""
    versions = result["versions"]
    return (
        f"({result['date']}, two shared CPUs, {versions['Python']}, Django {versions['Django']},\n"
        f"Channels {versions['channels']}; [all figures](docs/performance.md).)"
    )


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


def written(page: str, texts: Mapping[str, str]) -> str:
    """Return the page with the `texts` between their marks."""
    for name, text in texts.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{text}\n\n{end}{rest.split(end)[1]}"
    return page


def write(results: Mapping[str, Result]) -> None:
    """Replace the tables of all pages."""
    for path, texts in blocks(results).items():
        page = path.read_text(encoding="utf-8")
        path.write_text(written(page, texts), encoding="utf-8")
