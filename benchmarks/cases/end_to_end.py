"""Real servers on localhost: one uvicorn process per peer, 500 sockets, one client process.

The servers use uvloop and websockets-sansio, and the client picows. They end with this process.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ..measuring import Line, Plan, medians, of_bare, over_raw
from ..peers import Peer
from ..workloads.sending import PAYLOADS

Server = subprocess.Popen[str]

SOCKETS = 500
TIMEOUT = 150


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure frames per second."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(peer.name)) for peer in peers]
        ports = {peer.name: [port_of(server)] for peer, server in zip(peers, servers, strict=True)}
        pids = {peer.name: [server.pid] for peer, server in zip(peers, servers, strict=True)}
        samples = drive(ports, pids, ("echo", *PAYLOADS), plan)
    return [
        Line(
            f"end to end, {SOCKETS} sockets, {label}",
            "/s",
            medians(samples[kind]),
            requirements,
            more_is_better=True,
            notes=notes(samples, kind),
        )
        for kind, label, requirements in (
            ("echo", "echo", (over_raw(4.5),)),
            ("small", "fan-out small", (over_raw(15), of_bare(0.8))),
            ("20 kB", "fan-out 20 kB", (over_raw(80), of_bare(0.8))),
        )
    ]


def notes(samples: dict[str, Any], kind: str) -> tuple[str, str]:
    """Return notes: how busy the client was, and the CPU time of the servers."""
    cpu = medians(samples["cpu"][kind])
    cpu_times = ", ".join(f"{name} {value:.1f} µs" for name, value in cpu.items() if value)
    return (
        f"End to end: the client used at most {samples['busy']:.0%} of its CPU.",
        f"End to end, {kind}, CPU time of the server per frame: {cpu_times or 'unknown'}.",
    )


@contextmanager
def serving(peer: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server for `peer` during a `with` block. After an error its log is printed."""
    command, pipe = [sys.executable, "-m", "benchmarks.server", peer], subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=env
        ) as server,
    ):
        try:
            yield server
        except BaseException:
            log.seek(0)
            print(log.read()[-2_000:], file=sys.stderr)
            raise
        finally:
            server.kill()


def port_of(server: Server) -> int:
    """Wait until the server listens, and return its port."""
    assert server.stdout is not None
    return int(server.stdout.readline())


def drive(
    ports: dict[str, list[int]],
    pids: dict[str, list[int]],
    kinds: Sequence[str],
    plan: Plan,
    seconds: float = 0.8,
) -> dict[str, Any]:
    """Run the client with ports and process ids by name, and return its samples."""
    options = {
        "ports": ports,
        "pids": pids,
        "kinds": kinds,
        "sockets": SOCKETS,
        "rounds": plan.count(5, 3),
        "seconds": 0.25 if plan.quick else seconds,
    }
    command = [sys.executable, "-m", "benchmarks.client", json.dumps(options)]
    process = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT
    )
    samples: dict[str, Any] = json.loads(process.stdout)
    return samples
