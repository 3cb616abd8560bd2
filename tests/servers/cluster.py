"""Two server processes and a third that serves nothing, behind one Valkey."""

import json
import os
import shutil
import subprocess
import sys

from tests.brokers import Broker, layers

from .conftest import ROOT, Server


class Cluster:
    """Servers `one` and `two` of a site (the module with its routes), and a `shell`."""

    def __init__(self, layer: str, environ: dict[str, str], folder, site: str) -> None:
        self.broker = Broker()
        database = environ["TEST_SITE_DATABASE"]
        if "://" not in database:
            database = shutil.copy(database, folder)  # users come and go here
        self.environ = {
            **environ,
            "TEST_SITE_DATABASE": str(database),
            "TEST_LAYERS": json.dumps(layers(layer, self.broker.url)),
            "TEST_ROUTES": site,
            "TEST_BEAT": "1",
        }
        self.kinds = ("uvicorn", "daphne" if "core" in layer else "uvicorn-asyncio")
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.broker.start()
        self.one, self.two = (Server(kind, self.folder, **self.environ) for kind in self.kinds)
        self.shell = Shell(self.environ)
        for server in (self.one, self.two):
            server.wait_until_ready()

    def restart_ended(self) -> None:
        """Start what an earlier test has ended: a server, or all of it if it was the broker."""
        if self.broker.server is None:
            self.stop()
            self.start()
        elif self.one.process.poll() is not None:
            self.one = Server(self.kinds[0], self.folder, **self.environ)
            self.one.wait_until_ready()

    def stop(self) -> None:
        self.shell.stop()
        for server in (self.one, self.two):
            server.stop()
        self.broker.stop()


class Shell:
    """A process of the site that serves nothing: `shell("User.objects.…")` runs code there.

    Names live on from call to call; `result` is what comes back, as JSON.
    """

    LOOP = (
        "import django, json, sys\n"
        "django.setup()\n"
        "names = {}\n"
        "for line in sys.stdin:\n"
        "    exec(json.loads(line), names)\n"
        "    print(json.dumps(names.pop('result', None)), flush=True)\n"
    )

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.LOOP],
            cwd=ROOT,
            env={**os.environ, **environ, "DJANGO_SETTINGS_MODULE": "tests.servers.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, code: str):
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


async def request(client, name, data=None):
    """Send a request and return the next frame."""
    await client.send_json({name: data})
    return await client.receive_json()


async def frames_until(client, last) -> list:
    """Return the frames that `client` receives, up to and including `last`."""
    frames = []
    while not frames or frames[-1] != last:
        frames.append(await client.receive_json())
    return frames
