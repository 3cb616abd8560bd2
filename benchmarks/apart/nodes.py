"""That process, as those that start it see it."""

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from ..driver import PATIENCE
from .environment import PROJECT, environ, python


class Node:
    """A process that does as it is told, see `node.py`."""

    def __init__(self, name: str, log: IO[bytes]) -> None:
        self.name = name
        self.log = log
        self.process = subprocess.Popen(
            [python(), "-m", "benchmarks.apart.node", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ(),
            cwd=PROJECT,
            text=True,
        )

    def ask(self, order: str, **options: Any) -> Any:
        """Give an order, and wait for its answer, within reason."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([order, options]) + "\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE + 10)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.log.seek(0)
            end = self.log.read()[-2_000:].decode(errors="replace")
            raise RuntimeError(f"the process of {self.name!r} does not answer:\n{end}")
        return json.loads(line)


@contextmanager
def node(name: str) -> Iterator[Node]:
    """A process for this long. Raises `NotInstalledError`."""
    with tempfile.TemporaryFile() as log:
        one = Node(name, log)
        with one.process:
            try:
                yield one
            finally:
                one.process.kill()
