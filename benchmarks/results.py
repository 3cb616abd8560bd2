"""The results of a case as JSON: one file for each case, to be committed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .circumstances import machine, versions
from .environments import PROJECT, REQUIREMENTS
from .measuring import Line, Plan, Spread

FOLDER = PROJECT / "benchmarks" / "results"

Result = dict[str, Any]


def as_json(case: str, lines: Sequence[Line], plan: Plan) -> Result:
    """Return the result of a case: its circumstances, and an entry for each line."""
    peers = {peer for line in lines for peer in line.values}
    return {
        "case": case,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "quick": plan.quick,
        "machine": machine(),
        "versions": versions(),
        "environments": {peer: [*REQUIREMENTS[peer]] for peer in sorted(peers & {*REQUIREMENTS})},
        "lines": [entry(line) for line in lines],
    }


def entry(line: Line) -> dict[str, Any]:
    """Return one line. `times_better` has how many times better ours is than each peer."""
    gains = {peer: line.gain_spread(peer) for peer in line.values if peer != "ours"}
    return {
        "line": line.case,
        "unit": line.unit,
        "more_is_better": line.more_is_better,
        "peers": {
            peer: {**spread_as_json(line.spread(peer)), "rounds": len(line.samples.get(peer, "1"))}
            for peer in line.values
        },
        "times_better": {peer: spread_as_json(gain) for peer, gain in gains.items() if gain},
        "requirements": {
            requirement.label: requirement.verdict(line) for requirement in line.requirements
        },
        "notes": [*line.notes],
    }


def spread_as_json(spread: Spread) -> dict[str, float]:
    """Return a median and quartiles, with five digits."""
    return {name: float(f"{value:.5g}") for name, value in spread._asdict().items()}


def write(result: Result, folder: Path = FOLDER) -> Path:
    """Write the file of a result, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['case']}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(folder: Path = FOLDER) -> dict[str, Result]:
    """Return the results in a folder by case."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
