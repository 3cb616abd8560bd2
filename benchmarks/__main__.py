"""`python -m benchmarks [case …] [--quick] [--compare] [--folder DIR] …`, see `--help`."""

import argparse
import asyncio
import resource
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import benchmarks

from . import circumstances, comparing, database, page, plots, report, results
from .cases import CASES, SHORT
from .environments import NotInstalledError
from .measuring import Line, Plan
from .peers import NAMES, Peer, load


def main() -> int:
    """Run the cases, print the table and write the results.

    Returns:
        0, or 1 if a case could not run. A comparison is information, and always returns 0.
    """
    options = parse()
    if options.draw:
        committed = results.read()
        draw([*committed.values()], plots.FOLDER)
        page.write(committed)
        return 0
    raise_file_limit()
    database.prepare()
    warning, committed = circumstances.busy(), results.read()
    folder = options.folder or (None if options.quick else results.FOLDER)
    lines, taken, failed = measure(options, folder)
    print(report.as_markdown(lines) if options.markdown else report.as_text(lines))
    if warning:
        print(f"\n{warning}")
    if folder:
        draw(taken, options.folder or plots.FOLDER)
        if not options.folder:
            page.write(results.read())
    if options.compare:
        print(f"\n{comparing.as_text(comparing.compare(committed, taken))}")
        return 0
    return int(failed)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"any of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="number of rounds per case")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, peers and sockets")
    parser.add_argument("--markdown", action="store_true", help="print a table for the README")
    parser.add_argument("--peers", default=",".join(NAMES), help="for example ours,bare")
    parser.add_argument(
        "--compare",
        action="store_true",
        help=f"compare with the committed results; without cases: {', '.join(SHORT)}",
    )
    parser.add_argument(
        "--draw",
        action="store_true",
        help="only make the plots and the tables of docs/performance.md from the written results",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="write results and plots to this folder instead of those of the repository; without "
        "it, --quick writes nothing",
    )
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}. Choose from {', '.join(CASES)}.")
    return options


def measure(
    options: argparse.Namespace, folder: Path | None
) -> tuple[list[Line], list[results.Result], bool]:
    """Run the cases, and write the result of each to `folder` at once, if there is one.

    Returns:
        The lines of the table, the results, and whether a case could not run.
    """
    lines: list[Line] = []
    taken: list[results.Result] = []
    peers, plan = load(options.peers.split(",")), Plan(options.rounds, options.quick)
    names = options.cases or (SHORT if options.compare else CASES)
    failed = False
    for name in names:
        measured = attempt(name, peers, plan)
        failed |= measured is None
        lines += measured or []
        if measured and any(line.values for line in measured):  # else it was left out
            taken.append(results.as_json(name, measured, plan))
            if folder:
                results.write(taken[-1], folder)
    return lines, taken, failed


def attempt(name: str, peers: Sequence[Peer], plan: Plan) -> list[Line] | None:
    """Run one case on its own event loop. After an error print it and return None."""
    start = perf_counter()
    try:
        lines = asyncio.run(CASES[name](peers, plan))
    except Exception:  # noqa: BLE001 - the other cases still run
        traceback.print_exc()
        print(f"{name}: could not run", file=sys.stderr)
        return None
    print(f"{name}: {perf_counter() - start:.0f} s", file=sys.stderr)
    return lines


def draw(taken: Sequence[results.Result], folder: Path) -> None:
    """Draw the plots of results. Without Matplotlib say why there are none."""
    try:
        plots.draw(taken, folder)
    except (NotInstalledError, subprocess.SubprocessError) as error:
        print(f"no plots: {error}", file=sys.stderr)


def raise_file_limit() -> None:
    """Raise the limit of open files: cases with servers open thousands of sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
