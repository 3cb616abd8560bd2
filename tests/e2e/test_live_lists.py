"""The lists of three browsers on two servers equal their querysets while a script writes.

Each browser has a user of its own, and three lists: the user's own tickets, a search in open ones,
and the ten of the highest rank. One of them is connected through a proxy that cuts its connections
again and again. A process without sockets writes in all ways, also so that users no longer see
rows. All that a browser shows must be a list that a commit has made, never an older one than
before. The tests take seconds. `LIVE_SECONDS=60 LIVE_CUT=2` lets each write for a minute.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio

from tests.conftest import POSTGRESQL_URL
from tests.servers.cluster import Cluster
from tests.templates import made_once

from .conftest import CLIENT, ROOT, eventually
from .cutting_proxy import CuttingProxy
from .live_history import Commit, Shown, compare, percentile

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.quiet]

SECONDS = float(os.environ.get("LIVE_SECONDS", "3"))
CUT_EVERY = float(os.environ.get("LIVE_CUT", "0.5"))
PAUSE = float(os.environ.get("LIVE_PAUSE", "0.02"))  # seconds between two commits
SCREENSHOTS = os.environ.get("LIVE_SCREENSHOTS")  # a folder
SITE = "tests.e2e.live_site"
PAGE = Path(__file__).with_name("live_page.js")
NAMES = ("ada", "ben", "cleo")
LISTS = ("mine", "open", "top")


@pytest.fixture(scope="module")
def site_database(tmp_path_factory) -> Iterator[str]:
    """The URL of a new PostgreSQL database if a server answers, else the path of a SQLite file."""
    url = urlsplit(os.environ.get("DATABASE_URL", POSTGRESQL_URL))
    name = f"live_site_{os.getpid()}"
    try:
        server = psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True)
    except psycopg.OperationalError:
        yield str(made_once(tmp_path_factory, "live_site.sqlite3", prepare))
        return
    with closing(server):
        server.execute(f"CREATE DATABASE {name}")
        database = url._replace(path=f"/{name}").geturl()
        prepare(database)
        yield database
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def prepare(database: object) -> None:
    """Create the tables."""
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "call_command('migrate', run_syncdb=True, verbosity=0)\n"  # they refer to the others
    )
    settings = {"DJANGO_SETTINGS_MODULE": "tests.servers.settings", "TEST_APPS": SITE}
    environ = {**os.environ, **settings, "TEST_SITE_DATABASE": str(database)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)


@pytest.fixture(scope="module")
def running(site_database, tmp_path_factory) -> Iterator[Cluster]:
    environ = {"TEST_SITE_DATABASE": site_database, "TEST_APPS": SITE}
    folder = tmp_path_factory.mktemp("live")
    cluster = Cluster("pubsub.RedisPubSubChannelLayer", environ, folder, f"{SITE}.routes")
    cluster.shell(f"from {SITE}.writer import lists, prepare, write")
    yield cluster
    cluster.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def story(running, visitor, tmp_path):
    """Three pages and a writer. The servers log no error of the library."""
    story = Story(running, visitor, tmp_path / "commits")
    async with story.proxy.running():
        yield story
    for log in (running.one.log(), running.two.log()):
        assert not any(text in log for text in ("was destroyed", "never retrieved", "too long"))
        assert "/rest_channels/" not in log, log[-20_000:]


class Story:
    """The pages of three users, and the process that writes."""

    def __init__(self, cluster: Cluster, visitor, commits: Path) -> None:
        self.cluster = cluster
        self.proxy = CuttingProxy([cluster.one.port, cluster.two.port])
        self.pages: dict[str, Any] = {}
        self.shown: list[dict[str, Any]] = []
        self._visitor = visitor
        self._commits = commits

    async def shell(self, code: str) -> Any:
        return await asyncio.to_thread(self.cluster.shell, code)

    async def open_pages(self) -> None:
        ports = (self.cluster.one.port, self.cluster.two.port, self.proxy.port)
        keys = await self.shell("result = prepare()")
        for name, port in zip(NAMES, ports, strict=True):
            self.pages[name] = await self._open_page(f"http://127.0.0.1:{port}", keys[name])

    async def _open_page(self, url: str, session_key: str) -> Any:
        page = await self._visitor(base_url=url)
        await page.context.add_cookies([{"name": "sessionid", "value": session_key, "url": url}])
        await page.route("**/*.js", lambda route: route.fulfill(path=script(route.request.url)))
        await page.goto("/hello/")
        await page.add_script_tag(url="/live_page.js", type="module")
        await page.wait_for_function("globalThis.isReady?.()")
        return page

    @asynccontextmanager
    async def written(self, seconds: float = SECONDS, seed: int = 1):
        """Write and cut while the body runs. Then wait until all pages show what there is."""
        await self.open_pages()
        arguments = f"{seconds}, {PAUSE}, {seed}, {str(self._commits)!r}"
        cutting = asyncio.create_task(self.proxy.cut(CUT_EVERY))
        writing = asyncio.create_task(self.shell(f"result = write({arguments})"))
        yield
        self.commits = await writing
        cutting.cancel()
        self.expected = await self.shell("result = lists()")
        await eventually(self.is_equal, 30)
        if SCREENSHOTS:
            for name, page in self.pages.items():
                await page.screenshot(path=f"{SCREENSHOTS}/{name}-{seed}.png")

    async def is_equal(self) -> bool:
        """Return whether each page shows the lists of its user."""
        shown = {}
        for name, page in self.pages.items():
            rows = await page.evaluate("rows()")
            shown |= {f"{name} {each}": rows[each] for each in LISTS}
        return shown == self.expected

    async def compared(self) -> dict[str, Any]:
        """Return for each list of each page how what it has shown differs from its history."""
        lines = [json.loads(line) for line in self._commits.read_text().splitlines()]
        found = {}
        for name, page in self.pages.items():
            seen = await page.evaluate("seen()")
            for each in LISTS:
                key = f"{name} {each}"
                commits = [
                    Commit(begun, done, json.dumps(changed[key]))
                    for begun, done, changed in lines
                    if key in changed
                ]
                log = [shown(line) for line in seen if line["list"] == each]
                found[key] = compare(commits, log)
        print(f"\n{self.commits} commits, {self.proxy.cuts} cuts of the third page")
        for name, page in self.pages.items():
            each = [found[f"{name} {each}"] for each in LISTS]
            delays = [delay for one in each for delay in one.delays]
            print(
                f"{name}: {await page.evaluate('frames()')} frames, {len(delays)} changes of lists;"
                f" from the commit to equality p50 {percentile(delays, 0.5):.3f} s, p99 "
                f"{percentile(delays, 0.99):.3f} s, at most {max(delays):.3f} s; "
                f"{sum(len(one.wrong) for one in each)} wrong"
            )
        return found


def script(url: str) -> Path:
    return CLIENT if url.endswith("/client.js") else PAGE


def shown(line: dict[str, Any]) -> Shown:
    return Shown(line["at"], None if line["rows"] is None else json.dumps(line["rows"]))


async def assert_right(story: Story) -> None:
    for key, found in (await story.compared()).items():
        assert found.wrong == [], key
        assert found.unanswered == 0, key


async def test_browsers_show_only_lists_that_commits_have_made_and_the_last_one_at_rest(story):
    async with story.written():
        pass
    await assert_right(story)


async def test_they_do_so_when_redis_was_killed_and_a_server_has_stopped_for_a_while(story):
    async with story.written(SECONDS + 5, seed=2):
        await asyncio.sleep(SECONDS / 2)
        story.cluster.broker.kill()
        await asyncio.sleep(1)
        story.cluster.broker.start()
        await asyncio.sleep(SECONDS / 2)
        story.cluster.two.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(3)
        story.cluster.two.process.send_signal(signal.SIGCONT)
    await assert_right(story)


def history(text: str) -> list[Commit]:
    """Return commits that make these lists, one each second: `history("a b a")`."""
    return [Commit(at, at + 0.1, rows) for at, rows in enumerate(text.split())]


def log(text: str) -> list[Shown]:
    """Return what was shown 0.5 s after each commit; "-" is nothing: `log("a - a")`."""
    return [Shown(at + 0.5, rows) for at, rows in enumerate(text.split()) if rows != "-"]


@pytest.mark.parametrize(
    ("commits", "seen", "wrong"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a - c", 0),
        ("a b a", "a b a", 0),
        ("a b c", "a x c", 1),
        ("a b c d", "a c b d", 1),  # the first one is not known yet
        ("a b c d", "a b a d", 1),
    ],
)
async def test_a_list_that_was_never_made_or_is_older_than_before_is_found(commits, seen, wrong):
    assert len(compare(history(commits), log(seen)).wrong) == wrong


@pytest.mark.parametrize(
    ("commits", "seen", "delays", "unanswered"),
    [
        ("a b c", "a b c", [0.4, 0.4], 0),
        ("a b c", "a - c", [1.4, 0.4], 0),
        ("a b a", "a - -", [0.9, 0.0], 0),  # it equals the list again
        ("a b c", "a b -", [0.4], 1),
    ],
)
async def test_the_time_to_equality_is_measured(commits, seen, delays, unanswered):
    found = compare(history(commits), log(seen))
    assert [round(each, 1) for each in found.delays] == delays
    assert found.unanswered == unanswered
