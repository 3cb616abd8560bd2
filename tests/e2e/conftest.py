"""The fixtures of the end-to-end tests: a browser and a server of the demo.

Asynchronous fixtures and tests share the session's event loop, because one browser is started.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest
import pytest_asyncio

from tests.ports import free_port
from tests.templates import made_once

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "rest_channels/static/rest_channels/client.js"
PREPARED = "tests.e2e.prepared_demo"
TIMEOUT = 60  # seconds to wait for what a test expects
BROWSERS = (  # the first takes a third of the time
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def skip_or_fail(reason: str) -> None:
    """Skip the test, or let it fail if the environment requires a browser."""
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator:
    try:
        from playwright.async_api import async_playwright, expect
    except ImportError:
        skip_or_fail("playwright is missing: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        skip_or_fail("no Chromium found: apt-get install chromium (or install Google Chrome)")
    expect.set_options(timeout=TIMEOUT * 1000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser) -> AsyncIterator:
    """`await visitor()` opens a page with its own cookies. No page may log an error."""
    contexts, errors = [], []

    async def open_page(**options):
        context = await browser.new_context(**options)
        context.set_default_timeout(TIMEOUT * 1000)
        contexts.append(context)
        context.on("console", lambda line: line.type == "error" and errors.append(line.text))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        return await context.new_page()

    yield open_page
    for context in contexts:
        await context.close()
    # A browser logs every lost WebSocket, which some tests cause.
    assert [line for line in errors if not line.startswith("WebSocket connection to")] == []


def prepare_demo(database: Path) -> None:
    """Create the database that each demo of these tests starts with."""
    environ = {**os.environ, "DEMO_DB": str(database)}
    environ.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "demo/manage.py", "demo_setup"]
    subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file that can be copied


class DemoServer:
    """The demo as `script` serves it, with a port and a database (a copy of one) of its own.

    `later_script` serves it when it is started again.
    """

    def __init__(
        self, script: str, folder: Path, database: Path, later_script: str | None = None
    ) -> None:
        self.port = free_port()
        self.script = script
        self.later_script = later_script or script
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.environ = {**os.environ, "DEMO_DB": str(folder / "demo.sqlite3")}
        if not Path(self.environ["DEMO_DB"]).exists():
            shutil.copy(database, self.environ["DEMO_DB"])
        self.environ.pop("DJANGO_SETTINGS_MODULE", None)
        self.process: subprocess.Popen | None = None
        self.cookies: dict[str, dict] = {}  # by user

    def start(self) -> None:
        """Return when the server answers."""
        if self.process and self.process.poll() is None:
            return
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.script, str(self.port)],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        deadline = time.monotonic() + 2 * TIMEOUT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The demo does not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        self.script = self.later_script

    def answers(self) -> bool:
        """Return whether it serves. The port is open earlier, and then requests wait."""
        try:
            with urlopen(f"{self.url}/login/", timeout=TIMEOUT):
                return True
        except OSError:
            return False

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """Return when the process has ended. With SIGKILL it cannot close its connections."""
        if self.process:
            self.process.send_signal(sig)
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def restart(self) -> None:
        self.stop()
        self.start()


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory) -> Path:
    """A database with the people and the samples of the demo, to be copied."""
    return made_once(tmp_path_factory, "demo.sqlite3", prepare_demo)


@pytest.fixture(scope="session")
def demo_process(tmp_path_factory, demo_database) -> Iterator[DemoServer]:
    folder = tmp_path_factory.mktemp("demo")
    server = DemoServer("scripts.serve_demo", folder, demo_database, PREPARED)
    yield server
    server.stop()


@pytest.fixture
def demo_server(browser, demo_process) -> DemoServer:
    """The running demo. An earlier test may have stopped it."""
    demo_process.start()
    return demo_process


@pytest_asyncio.fixture(loop_scope="session")
async def person(visitor, demo_server):
    """`await person("ada", "/sequencer/1/")` opens a page as the user ada."""

    async def open_page(name: str | None, path: str, **options):
        cookies = demo_server.cookies.get(name)
        page = await visitor(base_url=demo_server.url, storage_state=cookies, **options)
        if name and not cookies:
            await page.goto("/login/")
            await page.get_by_role("button", name=name).click()
            await page.wait_for_url("**/")
            demo_server.cookies[name] = await page.context.storage_state()
        await page.goto(path)
        return page

    return open_page


async def eventually(check, timeout: float = TIMEOUT):
    """Call `check`, a function or coroutine function, until its result is true; return it."""
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < deadline, f"{check.__name__} never became true"
        await asyncio.sleep(0.02)
