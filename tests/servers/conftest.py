"""Real servers, each in a process of its own, and a client for tests.

The views under test are in the test modules, and `live.py` puts them all into one site. A server is
started for the first test that uses it, and serves until the session ends. What it logs during a
test may contain no traceback.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.brokers import LAYERS
from tests.ports import answers, free_port
from tests.templates import made_once

ROOT = Path(__file__).parents[2]
TIMEOUT = 30  # seconds to wait for what a test expects

SANSIO = ("-m", "uvicorn", "{app}", "--port", "{port}", "--ws", "websockets-sansio")
COMMANDS = {
    "uvicorn": (*SANSIO, "--loop", "uvloop"),
    "uvicorn-asyncio": (*SANSIO, "--loop", "asyncio"),
    "uvicorn-long-lines": (*SANSIO, "--h11-max-incomplete-event-size", "65536"),
    "daphne": ("-m", "daphne", "{app}", "--port", "{port}", "--bind", "127.0.0.1"),
    "runserver": ("-m", "django", "runserver", "--noreload", "127.0.0.1:{port}"),
}
LOGGED_PROBLEMS = (
    "Traceback",
    "ERROR",
    "was destroyed",
    "never retrieved",
    "Warning:",
    "took too long",
)


class Client(ClientConnection):
    """One end of a WebSocket. Everything it waits for comes within `TIMEOUT` seconds."""

    async def send_json(self, data) -> None:
        """Send `data` as JSON."""
        await self.send(json.dumps(data))

    async def receive_json(self):
        """Return the content of the next frame, which is JSON."""
        async with asyncio.timeout(TIMEOUT):
            return json.loads(await self.recv())

    async def receive_close(self) -> tuple[int, str]:
        """Return the code and the reason of the server's close, 1006 without one. Skip frames."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while True:
                    await self.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def send_raw(self, *frames) -> None:
        """Send frames of `websockets.frames`, or any bytes, without a check."""
        for frame in frames:
            self.transport.write(frame if isinstance(frame, bytes) else frame.serialize(mask=True))


class Server:
    """A server process. `kind` is a key of `COMMANDS`, `environ` is added to its environment."""

    def __init__(self, kind: str, folder: Path, app: str = "asgi", **environ: str) -> None:
        self.kind = kind
        self.port = free_port()
        self.log_file = folder / f"{kind}-{self.port}.log"
        settings = "settings_runserver" if kind == "runserver" else "settings"
        environ["DJANGO_SETTINGS_MODULE"] = f"tests.servers.{settings}"
        named = {"app": f"tests.servers.{app}:application", "port": self.port}
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(part.format(**named) for part in COMMANDS[kind])],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
                stdout=log,
                stderr=log,
            )
        self.log_position = 0  # up to which `log` has returned the text

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 2 * TIMEOUT
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} does not start:\n{self.log_file.read_text()}")
            time.sleep(0.02)

    def connect(self, path: str, **options):
        """`async with server.connect("frames/echo/") as client:`, or `await` it."""
        options = {"proxy": None, "ping_interval": None, "open_timeout": TIMEOUT} | options
        url = f"ws://127.0.0.1:{self.port}/{path}"
        return connect(url, create_connection=Client, **options)

    async def get(self, path: str):
        """Return the response to an HTTP request, and its body."""

        def fetch():
            with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=TIMEOUT) as response:
                return response, response.read().decode()

        return await asyncio.to_thread(fetch)

    async def wait_exit(self, timeout: float) -> int:
        """Return the exit code of the process, which has to end within `timeout` seconds."""
        return await asyncio.to_thread(self.process.wait, timeout)

    def log(self) -> str:
        """Return what was logged since the last call."""
        text = self.log_file.read_text()
        new, self.log_position = text[self.log_position :], len(text)
        return new

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def site_environ(tmp_path_factory) -> dict[str, str]:
    """The environment of all servers: a migrated database with one user."""
    database = tmp_path_factory.mktemp("site") / "site.sqlite3"
    shutil.copy(made_once(tmp_path_factory, "site.sqlite3", prepare_site), database)
    return {"TEST_SITE_DATABASE": str(database)}


def prepare_site(database: Path) -> None:
    """Create the database of which each process of the test run takes a copy."""
    prepare = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from django.contrib.auth.models import User\n"
        "call_command('migrate', verbosity=0)\n"
        "User.objects.create_user('ada', password='secret')\n"
    )
    settings = {"DJANGO_SETTINGS_MODULE": "tests.servers.settings"}
    environ = {**os.environ, **settings, "TEST_SITE_DATABASE": str(database)}
    subprocess.run([sys.executable, "-c", prepare], cwd=ROOT, env=environ, check=True)


@pytest.fixture(scope="session")
def shared_server(site_environ, tmp_path_factory) -> Iterator[StartServer]:
    """`shared_server(kind, app, NAME="value")` returns a running server that all tests share."""
    servers: dict[tuple[Any, ...], Server] = {}
    folder = tmp_path_factory.mktemp("servers")

    def serve(kind: str, app: str = "asgi", **environ: str) -> Server:
        key = (kind, app, *environ.items())
        if key not in servers:
            servers[key] = Server(kind, folder, app, **site_environ, **environ)
            servers[key].wait_until_ready()
        return servers[key]

    yield serve
    for server in servers.values():
        server.stop()


@pytest.fixture
def checked_server(shared_server) -> Iterator[StartServer]:
    """`shared_server`. At the end of the test its log may contain no problem."""
    used: dict[int, Server] = {}

    def serve(*names: str, **environ: str) -> Server:
        server = shared_server(*names, **environ)
        server.log()
        used[server.port] = server
        return server

    yield serve
    assert [line for server in used.values() for line in logged_problems(server.log())] == []


@pytest.fixture(params=["uvicorn", "uvicorn-asyncio", "daphne"])
def server(request, checked_server) -> Server:
    """The site on each kind of server."""
    return checked_server(request.param)


@pytest.fixture
def uvicorn(checked_server) -> Server:
    """The site on the recommended server."""
    return checked_server("uvicorn")


@pytest.fixture
def start_server(site_environ, tmp_path) -> Iterator[StartServer]:
    """`start_server(kind)` starts a server for this test only, without waiting for it."""
    servers: list[Server] = []

    def start(kind: str, **environ: str) -> Server:
        servers.append(Server(kind, tmp_path, **site_environ, **environ))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module", params=LAYERS, ids=["core", "pubsub"])
def running(request, site_environ, tmp_path_factory):
    """The site of `processes.py` on two servers. Modules with another site override this."""
    from .cluster import Cluster  # a cluster consists of servers, which are defined here

    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(request.param, site_environ, folder, "tests.servers.processes")
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running):
    """The two servers. After the test their logs must not contain errors.

    channels_redis logs tracebacks when its broker goes down. None may lead through the library,
    except through the application that calls plain consumers of Channels.
    """
    running.one.log(), running.two.log()
    yield running
    for log in (running.one.log(), running.two.log()):
        assert not any(text in log for text in ("was destroyed", "never retrieved", "too long"))
        rest = log.replace("/rest_channels/routing/application.py", "")
        assert "/rest_channels/" not in rest, rest[-20_000:]


@pytest.fixture
async def rooms(cluster):
    """`await rooms("one", "chess")` returns a client of server one in the room `chess`."""
    async with AsyncExitStack() as stack:

        async def enter(server: str, name: str, kind: str = "room"):
            site = getattr(cluster, server)
            return await stack.enter_async_context(site.connect(f"{kind}/{name}/"))

        yield enter


def logged_problems(log: str) -> list[str]:
    """Return the lines of a log that report a problem."""
    return [line for line in log.splitlines() if any(map(line.__contains__, LOGGED_PROBLEMS))]
