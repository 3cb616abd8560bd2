"""The plots of results: one SVG file for each case, drawn by Matplotlib in its own environment."""

import json
import math
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environments import PROJECT, python
from .measuring import LABELS
from .results import Result

FOLDER = PROJECT / "docs" / "images" / "benchmarks"
#: The program that draws. It imports nothing of this package.
PROGRAM = PROJECT / "benchmarks" / "draw.py"
#: Seconds to draw all plots.
TIMEOUT = 120
#: An axis with values further apart than this is logarithmic.
LINEAR_RANGE = 8

#: The peers in the order of the legend; all others follow.
ORDER = ("ours", "bare", "guarded", "raw", "dcrf", "starlette", "chanx", "socketio")


def figure(result: Result) -> dict[str, Any]:
    """Return what is drawn for a case: panels that share a legend, and a footer."""
    versions, machine = result["versions"], result["machine"]
    lines = [line for line in result["lines"] if line["peers"]]
    names = {name for line in lines for name in line["peers"]}
    peers = sorted(names, key=(*ORDER, *sorted(names)).index)
    by_unit = defaultdict(list)
    for line in lines:
        by_unit[line["unit"], line["more_is_better"]].append(line)
    footer = (
        f"{result['date']}, {machine['cpus']} CPUs ({machine['model']}), {versions['Python']}, "
        f"Django {versions['Django']}, Channels {versions['channels']}"
    )
    return {
        "case": result["case"],
        "peers": [{"name": name, "label": LABELS.get(name, name)} for name in peers],
        "panels": [panel(unit, more, group) for (unit, more), group in by_unit.items()],
        "footer": footer,
    }


def panel(unit: str, more_is_better: bool, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return an axis with one unit: for each line of the table the values of the peers."""
    rows = [
        {
            "label": line["line"],
            "points": {
                name: [values["low"], values["median"], values["high"]]
                for name, values in line["peers"].items()
            },
        }
        for line in lines
    ]
    values = [value for row in rows for point in row["points"].values() for value in point]
    direction = "more is better" if more_is_better else "less is better"
    return {
        "title": f"{unit}, {direction}" if unit else direction,
        "rows": rows,
        "limits": limits(values),
        "logarithmic": is_logarithmic(values),
    }


def is_logarithmic(values: Sequence[float]) -> bool:
    """Return whether the values are too far apart for a linear axis."""
    return min(values) > 0 and max(values) / min(values) > LINEAR_RANGE


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: from zero, or between two numbers of one digit."""
    if not is_logarithmic(values):
        return (min(0.0, *values), 1.05 * max(values) or 1.0)
    low, high = min(values), max(values)
    below, above = 10 ** math.floor(math.log10(low)), 10 ** math.floor(math.log10(high))
    return (below * math.floor(low / below) * 0.9, above * math.ceil(high / above) * 1.1)


def draw(results: Sequence[Result], folder: Path = FOLDER) -> None:
    """Draw the plots of all results.

    Raises:
        NotInstalledError: Matplotlib could not be installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([figure(result) for result in results])
    # -P: the modules of this folder do not hide those of the standard library.
    command = [python("plots"), "-P", str(PROGRAM), str(folder)]
    subprocess.run(command, input=text, text=True, check=True, timeout=TIMEOUT)
