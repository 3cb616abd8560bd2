"""Start uvicorn processes, and the client that measures them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .environments import environ, python
from .measuring import Plan
from .processes import Process, running

#: Seconds for the whole run of a client.
TIMEOUT = 300


@contextmanager
def serving(
    peer: str, env: Mapping[str, str] | None = None, name: str = "", **options: Any
) -> Iterator[Process]:
    """Run a server for `peer` during a `with` block. After an error its log is printed.

    Args:
        peer: The peer.
        env: Environment variables that the server has in addition.
        name: The key of its samples, if there are several servers of one peer.
        options: What `server.main` takes.
    """
    command = [python(peer), "-m", "benchmarks.server", peer, json.dumps(options)]
    with running(name or peer, command, {**environ(peer), **(env or {})}) as server:
        try:
            yield server
        except BaseException:
            server.log.seek(0)
            print(server.log.read()[-2_000:].decode(errors="replace"), file=sys.stderr)
            raise


def client(module: str) -> Any:
    """Return a context manager that runs the client `module`, which takes commands."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    return running(module, command, environ("ours"))


def drive(
    servers: Mapping[str, Sequence[Process]],
    kinds: Sequence[str],
    plan: Plan,
    *,
    watched: Mapping[str, Sequence[int]] | None = None,
    seconds: float = 0.8,
    sockets: int,
    deflate: bool = False,
) -> dict[str, Any]:
    """Run `client.py` with the servers by name, and return its samples.

    Args:
        servers: The processes that serve, by the key of their samples.
        kinds: The payloads of fan-outs, or "echo".
        plan: How long to measure.
        watched: The ids of other processes whose CPU time is measured.
        seconds: The duration of one sample.
        sockets: How many sockets connect, in all processes of one key.
        deflate: Whether the client offers permessage-deflate.
    """
    options = {
        "ports": {name: [s.call("port") for s in group] for name, group in servers.items()},
        "pids": {
            name: [*(server.pid for server in group), *(watched or {}).get(name, ())]
            for name, group in servers.items()
        },
        "kinds": kinds,
        "sockets": sockets,
        "rounds": plan.count(5, 3),
        "seconds": 0.25 if plan.quick else seconds,
        "deflate": deflate,
    }
    command = [sys.executable, "-m", "benchmarks.client", json.dumps(options)]
    process = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT
    )
    samples: dict[str, Any] = json.loads(process.stdout)
    return samples
