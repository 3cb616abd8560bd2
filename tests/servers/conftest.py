"""Real servers, each in a process of its own, and a client with words for tests.

The views under test stand in the test modules; `live.py` puts them all into one site. A server is
started when a test first asks for it and serves until the session ends. Whatever it logs during a
test must hold no traceback.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.ports import answers, free_port
from tests.templates import made_once

ROOT = Path(__file__).parents[2]
PATIENCE = 30  # seconds to wait for what a test expects

SANSIO = ("-m", "uvicorn", "{app}", "--port", "{port}", "--ws", "websockets-sansio")
COMMANDS = {
    "uvicorn": (*SANSIO, "--loop", "uvloop"),
    "uvicorn-asyncio": (*SANSIO, "--loop", "asyncio"),
    "daphne": ("-m", "daphne", "{app}", "--port", "{port}", "--bind", "127.0.0.1"),
    "runserver": ("-m", "django", "runserver", "--noreload", "127.0.0.1:{port}"),
}
COMPLAINTS = ("Traceback", "ERROR", "was destroyed", "never retrieved", "Warning:", "took too long")


class Client(ClientConnection):
    """One end of a WebSocket. Everything it waits for comes within `PATIENCE` seconds."""

    async def say(self, data) -> None:
        """Send `data` as JSON."""
        await self.send(json.dumps(data))

    async def hear(self):
        """The next frame's content."""
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.recv())

    async def ended(self) -> tuple[int, str]:
        """Code and reason with which the server closes (1006: it did not), after what it says."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def write(self, *frames) -> None:
        """Put frames of `websockets.frames` on the wire, or bytes, whatever they are."""
        for frame in frames:
            self.transport.write(frame if isinstance(frame, bytes) else frame.serialize(mask=True))


class Server:
    """A server process. In: a key of `COMMANDS`; what else its environment has."""

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
        self.seen = 0  # of the log

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 2 * PATIENCE
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} does not start:\n{self.log_file.read_text()}")
            time.sleep(0.02)

    def connect(self, path: str, **options):
        """`async with server.connect("frames/echo/") as client:`, or `await` it."""
        options = {"proxy": None, "ping_interval": None, "open_timeout": PATIENCE} | options
        url = f"ws://127.0.0.1:{self.port}/{path}"
        return connect(url, create_connection=Client, **options)

    async def get(self, path: str):
        """The response to an HTTP request, and its body."""

        def fetch():
            with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=PATIENCE) as response:
                return response, response.read().decode()

        return await asyncio.to_thread(fetch)

    async def ends(self, patience: float) -> int:
        """The exit code of the process, which ends within `patience` seconds."""
        return await asyncio.to_thread(self.process.wait, patience)

    def log(self) -> str:
        """What was logged since this was asked for the last time."""
        text = self.log_file.read_text()
        new, self.seen = text[self.seen :], len(text)
        return new

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


Launch = Callable[..., Server]


@pytest.fixture(scope="session")
def site_environ(tmp_path_factory) -> dict[str, str]:
    """A migrated database with one user, for every server to share."""
    database = tmp_path_factory.mktemp("site") / "site.sqlite3"
    shutil.copy(made_once(tmp_path_factory, "site.sqlite3", prepare_site), database)
    return {"TEST_SITE_DATABASE": str(database)}


def prepare_site(database: Path) -> None:
    """Make the database from which each process of the test run takes a copy."""
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
def serving(site_environ, tmp_path_factory) -> Iterator[Launch]:
    """`serving(kind, app)`: a server that all tests share, ready."""
    servers: dict[tuple[str, ...], Server] = {}
    folder = tmp_path_factory.mktemp("servers")

    def serve(kind: str, app: str = "asgi") -> Server:
        if (kind, app) not in servers:
            servers[kind, app] = Server(kind, folder, app, **site_environ)
            servers[kind, app].wait_until_ready()
        return servers[kind, app]

    yield serve
    for server in servers.values():
        server.stop()


@pytest.fixture
def checked(serving) -> Iterator[Launch]:
    """`serving`, and at the end of the test nothing stands in the logs that should not."""
    used: dict[int, Server] = {}

    def serve(*names: str) -> Server:
        server = serving(*names)
        server.log()
        used[server.port] = server
        return server

    yield serve
    assert [line for server in used.values() for line in complaints(server.log())] == []


@pytest.fixture(params=["uvicorn", "uvicorn-asyncio", "daphne"])
def server(request, checked) -> Server:
    """The site under each server in turn."""
    return checked(request.param)


@pytest.fixture
def uvicorn(checked) -> Server:
    """The site under the server we recommend."""
    return checked("uvicorn")


@pytest.fixture
def launch(site_environ, tmp_path) -> Iterator[Launch]:
    """`launch(kind)`: a server for this test alone, perhaps not ready yet."""
    servers: list[Server] = []

    def start(kind: str, **environ: str) -> Server:
        servers.append(Server(kind, tmp_path, **site_environ, **environ))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def complaints(log: str) -> list[str]:
    """The lines of a log that no server should have to write."""
    return [line for line in log.splitlines() if any(map(line.__contains__, COMPLAINTS))]
