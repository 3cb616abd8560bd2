"""Pages of a cluster get every message once and in order, or one `gap`, whatever is lost.

Real pages are connected to two servers through a proxy that cuts all connections again and again,
while both servers and a process without sockets send numbered messages to two groups. One group
keeps enough messages, the other often too few. The tests take seconds.
`RECOVERY_SECONDS=60 RECOVERY_CUT=2` lets each write for a minute, with a cut every two seconds.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.servers.cluster import Cluster, Shell
from tests.servers.conftest import prepare_site
from tests.templates import made_once

from .conftest import CLIENT, eventually
from .cutting_proxy import CuttingProxy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.quiet]

SECONDS = float(os.environ.get("RECOVERY_SECONDS", "2"))
CUT_EVERY = float(os.environ.get("RECOVERY_CUT", "0.5"))
WRITE_EVERY = 0.03  # seconds between two messages of a writer
PAGES = 3
PAGE = Path(__file__).with_name("recovery_page.js")
SITE = "tests.e2e.recovery_site"

Log = list[dict[str, Any]]


@pytest.fixture(scope="module", params=["redis", "database"])
def history(request) -> str:
    return request.param


only_redis = pytest.mark.parametrize("history", ["redis"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def running(history, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recovery")
    database = made_once(tmp_path_factory, "site.sqlite3", prepare_site)
    environ = {"TEST_SITE_DATABASE": str(database), "TEST_HISTORY": history}
    cluster = Cluster("pubsub.RedisPubSubChannelLayer", environ, folder, SITE)
    yield cluster
    cluster.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def story(running, visitor):
    """The running cluster with its pages and writers. Its servers log no error of the library."""
    running.restart_ended()
    story = Story(running, visitor)
    async with story.proxy.running():
        yield story
    for log in (running.one.log(), running.two.log()):
        assert not any(text in log for text in ("was destroyed", "never retrieved", "too long"))
        assert "/rest_channels/" not in log, log[-20_000:]


class Story:
    """Pages that see numbered messages, and those who write them, while connections are cut."""

    def __init__(self, cluster: Cluster, visitor) -> None:
        self.cluster = cluster
        self.proxy = CuttingProxy([cluster.one.port, cluster.two.port])
        self.pages: list[Any] = []
        self.last: dict[str, int] = {}  # writer → its last message
        self._visitor = visitor
        self._is_over = asyncio.Event()

    async def open_pages(self, number: int) -> None:
        self.pages = await asyncio.gather(*(self._open_page() for _ in range(number)))

    async def _open_page(self):
        page = await self._visitor()
        await page.route("**/*.js", lambda route: route.fulfill(path=script(route.request.url)))
        await page.goto(f"http://127.0.0.1:{self.proxy.port}/hello/")
        await page.add_script_tag(url="/recovery_page.js", type="module")
        await page.wait_for_function("globalThis.isReady?.()")
        return page

    @asynccontextmanager
    async def told(self, cut_every: float = CUT_EVERY):
        """Write and cut while the body runs. Then wait until all pages have the last messages."""
        await self.open_pages(PAGES)
        cluster = self.cluster
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(self.proxy.cut(cut_every))
            group.create_task(self._write("one", cluster.one.connect("write/")))
            group.create_task(self._write("two", cluster.two.connect("write-in-thread/")))
            group.create_task(self._write_in_shell("shell"))
            yield
            self._is_over.set()
            cutting.cancel()
        try:
            await eventually(self.is_complete, 10)
        finally:
            await self.report()

    async def _write(self, by: str, connection) -> None:
        async with connection as client:
            while not self._is_over.is_set():
                await client.send_json({"by": by, "n": self._next(by)})
                assert await client.receive_json() == "sent"
                await asyncio.sleep(WRITE_EVERY)

    async def _write_in_shell(self, by: str) -> None:
        shell = self.cluster.shell
        await asyncio.to_thread(shell, f"from {SITE} import write")
        while not self._is_over.is_set():
            await asyncio.to_thread(shell, f"write({by!r}, {self._next(by)})")
            await asyncio.sleep(WRITE_EVERY)

    def _next(self, by: str) -> int:
        self.last[by] = self.last.get(by, 0) + 1
        return self.last[by]

    async def is_complete(self) -> bool:
        """Return whether all pages have the last message of each writer."""
        return all(last_of(log) == self.last for log in await self.logs())

    async def logs(self, group: str | None = None) -> list[Log]:
        """Return what the pages have seen of `group`, or of each group."""
        seen = [await page.evaluate("seen()") for page in self.pages]
        return [log for each in seen for name, log in each.items() if group in (name, None)]

    async def report(self) -> None:
        """Print what happened. Pytest shows it with `-s`, and if the test fails."""
        print(f"\n{sum(self.last.values())} messages of {self.last}, {self.proxy.cuts} cuts")
        for name in ("long", "short"):
            for log in await self.logs(name):
                seen = Counter(kind for each in log for kind in each)
                print(
                    f"{name}: {seen['by']} messages, {sum(holes(log))} missing, "
                    f"gaps {gaps(log)}, {duplicates(log)} duplicates, "
                    f"{seen['recovered']} recovered, "
                    f"{sum(each.get('isKept') is False for each in log)} without an offset"
                )


def script(url: str) -> Path:
    return CLIENT if url.endswith("/client.js") else PAGE


def last_of(log: Log) -> dict[str, int]:
    return {each["by"]: each["n"] for each in log if "by" in each}


def holes(log: Log) -> list[int]:
    """Return how many messages of one writer are missing, for each time that some are."""
    last: dict[str, int] = {}
    found = []
    for each in (each for each in log if "by" in each):
        found.append(max(each["n"] - last.get(each["by"], 0) - 1, 0))
        last[each["by"]] = each["n"]
    return [number for number in found if number]


def duplicates(log: Log) -> int:
    seen = Counter((each["by"], each["n"]) for each in log if "by" in each)
    return seen.total() - len(seen)


def faults(log: Log) -> list[Any]:
    """Return what breaks the promise: messages in a wrong order or twice, and gaps that are wrong.

    Where messages are missing, there must be a gap, before the next one. A gap is for all writers,
    also for one of which the page has seen no message yet. A page that comes back after a gap may
    have missed more: it is told how many. A message that could not be kept comes before the gap
    that belongs to it.
    """
    found: list[Any] = []
    last: dict[str, int] = {}
    number_of_gaps = 0
    gaps_before: dict[str, int] = {}  # the last message of each writer
    owed: list[Any] = []  # what needs a gap that is still to come
    is_unknown = False  # whether the last entry is a gap of unknown size
    for each in log:
        if "missed" in each:
            found += ["two gaps for one"] * (is_unknown and each["missed"] is None)
            is_unknown, owed = each["missed"] is None, []
            number_of_gaps += 1
        elif "by" in each:
            is_unknown, by, n = False, each["by"], each["n"]
            if n <= last.get(by, 0):
                found.append(("again or late", each))
            elif n > last.get(by, 0) + 1 and gaps_before.get(by, 0) == number_of_gaps:
                (found if each["isKept"] else owed).append(("no gap before", each))
            last[by], gaps_before[by] = n, number_of_gaps
    return found + owed


@pytest.mark.parametrize(
    ("log", "number"),
    [
        ("a1 b1 a2 gap a4 b2 a5", 0),
        ("a1 a3 gap a4", 1),
        ("a1 b1 gap b2 a3", 0),
        ("a1 gap gap a3", 1),
        ("a1 a2 a1", 1),
        ("a1 a4* gap a5", 0),
        ("a1 a4* a5", 1),
        ("a1 gap b4 a2 b5", 0),
        ("a1 b4 gap", 1),
        ("a1 gap b4 b6", 1),
        ("a1 gap 9 a11", 0),
    ],
)
async def test_broken_promises_are_found(log, number):
    assert len(faults([*map(entry, log.split())])) == number


def entry(word: str) -> dict[str, Any]:
    """Return the entry of a log for "gap", "9" for a gap of nine, "b2", or "b2*" if not kept."""
    if word == "gap" or word.isdigit():
        return {"missed": None if word == "gap" else int(word)}
    return {"by": word[0], "n": int(word[1:].rstrip("*")), "isKept": not word.endswith("*")}


def order_of(log: Log, other: Log) -> list[tuple[str, int]]:
    """Return the kept messages of `log` that are in `other`, too, in the order of `log`."""
    kept = {(each["by"], each["n"]) for each in other if each.get("isKept")}
    messages = [(each["by"], each["n"]) for each in log if each.get("isKept")]
    return [each for each in messages if each in kept]


def gaps(log: Log) -> list[int | None]:
    return [each["missed"] for each in log if "missed" in each]


async def assert_kept_promises(story: Story) -> None:
    for group in ("long", "short"):
        logs = await story.logs(group)
        assert [faults(log) for log in logs] == [[]] * PAGES
        for log in logs:
            assert order_of(log, logs[0]) == order_of(logs[0], log)


async def test_pages_see_each_message_once_in_one_order_or_are_told_how_many_are_missing(story):
    async with story.told():
        await asyncio.sleep(SECONDS)
    await assert_kept_promises(story)
    for log in await story.logs("long"):
        assert (gaps(log), holes(log)) == ([], [])
        assert any("recovered" in each for each in log)
    for log in await story.logs("short"):
        assert sum(gaps(log)) == sum(holes(log))


@only_redis  # no store notices that a sender is killed: the reader asks for the last position
async def test_a_message_whose_sender_was_killed_before_it_told_anybody_arrives(story):
    await story.open_pages(1)
    shell = Shell(story.cluster.environ)
    shell(f"import os\nfrom {SITE} import write\nfrom rest_channels.engine import publish_kept")
    shell("publish_kept.send_packets = lambda *packets: os.kill(os.getpid(), 9)")
    code = json.dumps("write('killed', 1)") + "\n"
    await asyncio.to_thread(shell.process.communicate, code, 10)
    assert shell.process.returncode == -signal.SIGKILL
    begin = time.monotonic()
    story.last = {"killed": 1}

    async def all_have_it():
        return all(last_of(log) == story.last for log in await story.logs("long"))

    await eventually(all_have_it, 2)
    print(f"\nfound after {time.monotonic() - begin:.2f} s")


@only_redis
async def test_pages_are_told_once_that_redis_was_killed(story):
    async with story.told():
        await asyncio.sleep(SECONDS / 2)
        story.cluster.broker.kill()
        await asyncio.sleep(1)
        story.cluster.broker.start()
        await asyncio.sleep(max(SECONDS / 2, 1.5))
    await assert_kept_promises(story)
    assert [gaps(log) for log in await story.logs("long")] == [[None]] * PAGES


@only_redis
async def test_pages_are_told_at_most_once_that_redis_did_not_answer(story):
    async with story.told(max(CUT_EVERY, 2)):  # some pages get messages without an offset
        await asyncio.sleep(SECONDS / 2)
        with story.cluster.broker.paused():
            await asyncio.sleep(2)
        await asyncio.sleep(max(SECONDS / 2, 1.5))
    await assert_kept_promises(story)
    assert all(gaps(log) in ([], [None]) for log in await story.logs("long"))
