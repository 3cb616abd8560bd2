"""Through a real server and the loopback: one uvicorn process per peer, 500 sockets, one client.

uvloop and websockets-sansio; the client (picows) has a process of its own. Nobody waits for more
than a minute, and the servers end with this process.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ..measuring import Line, Plan, medians, of_bare, over_raw
from ..peers import Peer

SOCKETS = 500
PATIENCE = 150


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Frames per second."""
    with ExitStack() as stack:
        servers = {peer.name: stack.enter_context(serving(peer)) for peer in peers}
        samples = drive(servers, plan)
    return [
        Line(
            f"end to end, {SOCKETS} sockets, {words}",
            "/s",
            medians(samples[kind]),
            floors,
            more_is_better=True,
            notes=notes(samples, kind),
        )
        for kind, words, floors in (
            ("echo", "echo", (over_raw(4.5),)),
            ("small", "fan-out small", (over_raw(15), of_bare(0.8))),
            ("20 kB", "fan-out 20 kB", (over_raw(80), of_bare(0.8))),
        )
    ]


def notes(samples: dict[str, Any], kind: str) -> tuple[str, str]:
    """How busy the client was, and what the servers spent."""
    cpu = medians(samples["cpu"][kind])
    spent = ", ".join(f"{name} {value:.1f} µs" for name, value in cpu.items() if value)
    return (
        f"End to end: the client used at most {samples['busy']:.0%} of its CPU.",
        f"End to end, {kind}, CPU time of the server per frame: {spent or 'unknown'}.",
    )


@contextmanager
def serving(peer: Peer) -> Iterator[tuple[int, int]]:
    """A server for `peer`; gives its port and its process id."""
    command = [sys.executable, "-m", "benchmarks.server", peer.name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


def drive(servers: dict[str, tuple[int, int]], plan: Plan) -> dict[str, Any]:
    """Run the client; returns its samples."""
    order = {
        "ports": {name: port for name, (port, _) in servers.items()},
        "pids": {name: pid for name, (_, pid) in servers.items()},
        "sockets": SOCKETS,
        "rounds": plan.count(5, 3),
        "seconds": 0.25 if plan.quick else 0.8,
    }
    command = [sys.executable, "-m", "benchmarks.client", json.dumps(order)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
    samples: dict[str, Any] = json.loads(done.stdout)
    return samples
