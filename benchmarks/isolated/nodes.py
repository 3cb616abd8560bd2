"""Start the process of an isolated peer, and send it commands."""

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from ..driver import TIMEOUT
from .environment import PROJECT, environ, python


class Node:
    """A process that runs the commands of `node.py`."""

    def __init__(self, name: str, log: IO[bytes]) -> None:
        self.name = name
        self.log = log
        self.process = subprocess.Popen(
            [python(), "-m", "benchmarks.isolated.node", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ(),
            cwd=PROJECT,
            text=True,
        )

    def call(self, command: str, **options: Any) -> Any:
        """Run a command, and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, options]) + "\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT + 10)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.log.seek(0)
            end = self.log.read()[-2_000:].decode(errors="replace")
            raise RuntimeError(f"the process of {self.name!r} does not answer:\n{end}")
        return json.loads(line)


@contextmanager
def node(name: str) -> Iterator[Node]:
    """Run the process during a `with` block. Raises `NotInstalledError`."""
    with tempfile.TemporaryFile() as log:
        running = Node(name, log)
        with running.process:
            try:
                yield running
            finally:
                running.process.kill()
