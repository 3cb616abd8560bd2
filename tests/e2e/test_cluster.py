"""Two server processes behind one address: people meet whichever of them serves whom."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.ports import free_port

from .conftest import PATIENCE, ROOT, DemoServer
from .test_compositions import COMPOSITION, live, other, pressed, step

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def demo_process(tmp_path_factory, demo_database) -> Iterator[DemoServer]:
    """In this module, `person` comes to a cluster."""
    cluster = DemoServer("scripts.serve_cluster", tmp_path_factory.mktemp("cluster"), demo_database)
    yield cluster
    cluster.stop()


async def server_of(page) -> str:
    """Which server process the page's socket is connected to."""
    await live(page)
    return await page.locator("#server").text_content()


async def meet_across(person) -> tuple:
    """Pages of ada and ben on one composition, connected to different servers."""
    ada, ben = await person("ada", COMPOSITION), await person("ben", COMPOSITION)
    async with asyncio.timeout(PATIENCE):
        while await server_of(ben) == await server_of(ada):
            await ben.reload()
    return ada, ben


def latest_log(cluster: DemoServer) -> str:
    """What the cluster has said since it was started last."""
    return cluster.log.read_text().rpartition("Open ")[2]


def processes(cluster: DemoServer) -> dict[str, int]:
    """Its servers: what a page calls them, and their process ids."""
    found = re.findall(r"^Server (\d) is process (\d+)", latest_log(cluster), re.MULTILINE)
    return {f"server {number}": int(pid) for number, pid in found}


async def test_people_on_two_servers_see_each_others_edits(person):
    ada, ben = await meet_across(person)
    changed = other(await pressed(ben))
    await step(ada).click()
    await expect(step(ben)).to_have_attribute("aria-pressed", changed)
    await step(ben).click()
    await expect(step(ada)).to_have_attribute("aria-pressed", other(changed))


async def test_people_on_two_servers_see_who_is_here(person):
    ada, ben = await meet_across(person)
    for page in (ada, ben):
        await expect(page.locator("#here li")).to_have_text(["ada", "ben"])
    await ben.goto("/compositions/")
    await expect(ada.locator("#here li")).to_have_text(["ada"])


async def test_who_is_on_a_server_that_dies_goes_on_with_the_other(person, demo_server):
    ada, ben = await meet_across(person)
    lost, kept = await server_of(ada), await server_of(ben)
    try:
        os.kill(processes(demo_server)[lost], signal.SIGKILL)
        await expect(ada.locator("#server")).to_have_text(kept)
        changed = other(await pressed(ben))
        await step(ada).click()
        await expect(step(ben)).to_have_attribute("aria-pressed", changed)
    finally:
        demo_server.stop()  # the next test starts a whole one


# A terminal's Ctrl-C goes to all that was started from it: to Valkey, too.
@pytest.mark.parametrize(
    ("kill", "how"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)], ids=["Ctrl-C", "TERM"]
)
async def test_nothing_outlives_it_and_it_ends_in_good_order(person, demo_server, kill, how):
    await meet_across(person)
    command = demo_server.process.pid
    kill(command, how)
    assert demo_server.process.wait(PATIENCE) == 0
    for pid in processes(demo_server).values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.killpg(command, 0)
    assert "Error" not in latest_log(demo_server)


def ended_by_itself(port: int, folder: Path, change: str = "") -> subprocess.CompletedProcess:
    """The command, where it cannot do its work; `change` is code that makes it so."""
    code = f"from scripts import serve_cluster as it\n{change}\nraise SystemExit(it.main('{port}'))"
    environ = {**os.environ, "DEMO_DB": str(folder / "demo.sqlite3")}
    environ.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, timeout=PATIENCE, check=False
    )


async def test_a_server_that_does_not_start_ends_it_all(tmp_path):
    start = f"[ $DEMO_SERVER = 1 ] && exec {sys.executable} -m scripts.serve_cluster --server $0"
    ended = ended_by_itself(free_port(), tmp_path, f"it.SERVER = ['sh', '-c', {start!r}]")
    assert b"Server 2 did not start (exit code 1)." in ended.stderr
    assert ended.returncode == 1
    [pid] = re.findall(rb"^Server 1 is process (\d+)", ended.stdout, re.MULTILINE)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_a_port_that_is_taken_is_said_before_anything_begins(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = ended_by_itself(taken.getsockname()[1], tmp_path)
    assert b"make demo-cluster PORT=8001" in ended.stderr
    assert ended.returncode == 1
    assert [*tmp_path.iterdir()] == []
