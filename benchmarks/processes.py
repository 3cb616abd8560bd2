"""Processes that run commands: a line of JSON on standard input, and a line of JSON as the answer.

The other end is `serve_commands`, in the process. It ends when its standard input ends, so it
cannot outlive its parent.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from .environments import PROJECT

#: Seconds for one command.
TIMEOUT = 150


class Process:
    """A process that runs commands."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", log: IO[bytes]) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def call(self, command: str, **options: Any) -> Any:
        """Run a command, and return its answer.

        Raises:
            RuntimeError: The process has ended, or does not answer within `TIMEOUT`.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, options]) + "\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.send_signal(signal.SIGUSR1)  # print the stacks
            time.sleep(0.5)
            self.log.seek(0)
            end = self.log.read()[-2_000:].decode(errors="replace")
            raise RuntimeError(f"A process of {self.name!r} does not answer {command!r}:\n{end}")
        return json.loads(line)


@contextmanager
def running(name: str, command: Sequence[str], env: Mapping[str, str]) -> Iterator[Process]:
    """Run a process during a `with` block. It is ready at its first answer."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            cwd=PROJECT,
            text=True,
        ) as process,
    ):
        try:
            yield Process(name, process, log)
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()


async def serve_commands(commands: Mapping[str, Callable[..., Awaitable[Any]]]) -> None:
    """Run the commands that arrive, one after another, until standard input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, options = json.loads(line)
        print(json.dumps(await commands[name](**options)), flush=True)
    os._exit(0)  # without closing the sockets; threads of a layer may wait for a dead broker
