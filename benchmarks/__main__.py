"""`python -m benchmarks [case …] [--rounds N] [--quick] [--markdown]`"""

import argparse
import asyncio
import resource
import sys
import traceback
from collections.abc import Sequence
from time import perf_counter

import benchmarks

from . import circumstances, database, report
from .cases import CASES, Case
from .measuring import Line, Plan
from .peers import NAMES, Peer, load


def main() -> int:
    """Run the cases and print the table. Return 0, or 1 if a case could not run."""
    options = parse()
    raise_file_limit()
    database.prepare()
    peers = load(options.peers.split(","))
    plan = Plan(options.rounds, options.quick)
    warning = circumstances.busy()
    lines: list[Line] = []
    failed = False
    for name in options.cases or CASES:
        start = perf_counter()
        measured = attempt(CASES[name], peers, plan)
        failed |= measured is None
        lines += measured or []
        outcome = f"{perf_counter() - start:.0f} s" if measured is not None else "could not run"
        print(f"{name}: {outcome}", file=sys.stderr)
    print(report.as_markdown(lines) if options.markdown else report.as_text(lines))
    if warning:
        print(f"\n{warning}")
    return int(failed)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"any of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="number of rounds per case")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no raw at 5,000")
    parser.add_argument("--markdown", action="store_true", help="print a table for the README")
    parser.add_argument("--peers", default=",".join(NAMES), help="for example ours,bare")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}. Choose from {', '.join(CASES)}.")
    return options


def attempt(case: Case, peers: Sequence[Peer], plan: Plan) -> list[Line] | None:
    """Run one case on its own event loop. After an error print it and return None."""
    try:
        return asyncio.run(case(peers, plan))
    except Exception:  # noqa: BLE001 - the other cases still run
        traceback.print_exc()
        return None


def raise_file_limit() -> None:
    """Raise the limit of open files: the end-to-end case opens thousands of sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
