"""The table: for a terminal, or in Markdown for the README."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from .circumstances import versions
from .measuring import LABELS, Line, number
from .peers import NAMES

HEADINGS = ("case", *NAMES, "× raw", "of bare", "required", "met")


def circumstances() -> str:
    """Return the date, and the versions of Python and packages."""
    python, *packages = [f"{name} {text}" for name, text in versions().items()]
    python = python.removeprefix("Python ")
    return f"{datetime.now(UTC):%Y-%m-%d}, {python}, {os.cpu_count()} CPUs; {', '.join(packages)}"


def row(line: Line) -> list[str]:
    """Return the cells of one line."""
    values = [line.values.get(name) for name in NAMES]
    cells = [f"{number(value)} {line.unit}" if value is not None else "–" for value in values]
    met = ", ".join(requirement.verdict(line) for requirement in line.requirements)
    requirements = ", ".join(requirement.label for requirement in line.requirements)
    gains = [number(line.gain(peer)) for peer in ("raw", "bare")]
    return [line.case, *cells, *gains, requirements or "–", met or "–"]


def as_text(lines: Sequence[Line]) -> str:
    """Return columns for a terminal."""
    rows = [list(HEADINGS), *(row(line) for line in lines)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    texts = [_padded(cells, widths, "  ").rstrip() for cells in rows]
    rule = "─" * max(map(len, texts))
    return "\n".join([circumstances(), "", texts[0], rule, *texts[1:], *notes(lines)])


def as_markdown(lines: Sequence[Line]) -> str:
    """Return a Markdown table for the README."""
    rows = [list(HEADINGS), ["---", *["---:"] * 5, "---", "---"], *(row(line) for line in lines)]
    table = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"Measured {circumstances()}.", "", *table, *notes(lines)])


def _padded(cells: Sequence[str], widths: Sequence[int], between: str) -> str:
    left_aligned = {0, len(cells) - 2, len(cells) - 1}
    pairs: Iterable[tuple[int, str, int]] = zip(range(len(cells)), cells, widths, strict=True)
    return between.join(c.ljust(w) if n in left_aligned else c.rjust(w) for n, c, w in pairs)


def notes(lines: Sequence[Line]) -> list[str]:
    """Return what the columns mean, the other peers and the quartiles, and the notes of lines."""
    unique = dict.fromkeys(note for line in lines for note in (*others(line), *line.notes))
    return [
        "",
        "Medians of interleaved rounds. raw: Channels consumers on the in-memory layer, or on the",
        "layer named, with a capacity that drops nothing. bare: plain ASGI with orjson.",
        "“× raw”, “of bare”: how many times as good ours is.",
        *unique,
    ]


def others(line: Line) -> list[str]:
    """Return what has no column: the values of other peers, and the quartiles of the ratios."""
    texts = [
        f"{LABELS.get(peer, peer)} {number(value)} {line.unit}".rstrip()
        for peer, value in line.values.items()
        if peer not in NAMES
    ]
    measured = [peer for peer, values in line.samples.items() if len(values) > 1]
    spreads = {peer: line.gain_spread(peer) for peer in measured if peer != "ours"}
    quartiles = [
        f"{LABELS.get(peer, peer)} {number(spread.low)} to {number(spread.high)}"
        for peer, spread in spreads.items()
        if spread
    ]
    return [
        *([f"{line.case}, others: {', '.join(texts)}."] if texts else []),
        *(
            [f"{line.case}, quartiles of how many times better ours is: {', '.join(quartiles)}."]
            if quartiles
            else []
        ),
    ]
