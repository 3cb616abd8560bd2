"""Two server processes behind one address serve the same pages."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.ports import free_port

from . import test_dice_game as dice_game
from .conftest import ROOT, TIMEOUT, DemoServer
from .test_chat_rooms import Rooms, csrf_header, messages, open_room, present, send_message
from .test_sequencer import COMPOSITION, live, pressed, step, toggled
from .test_ticket_board import Board, add, expect_tickets, ready

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def demo_process(tmp_path_factory, demo_database) -> Iterator[DemoServer]:
    """In this module, `person` opens the pages of a cluster."""
    cluster = DemoServer("scripts.serve_cluster", tmp_path_factory.mktemp("cluster"), demo_database)
    yield cluster
    cluster.stop()


async def server_of(page) -> str:
    """Return the name of the server process that the page's socket is connected to."""
    await live(page)
    return await page.locator("#server").text_content()


async def open_on_both_servers(person, path: str = COMPOSITION, **options) -> tuple:
    """Open one page as ada and as ben, connected to different servers."""
    ada, ben = [await person(name, path, **options) for name in ("ada", "ben")]
    async with asyncio.timeout(TIMEOUT):
        while await server_of(ben) == await server_of(ada):
            await ben.reload()
    return ada, ben


def note_loads(page, loads: list) -> None:
    """Note the frames with which a page asks for the messages of a room."""

    def note(frame):
        if "subscribe_to_messages_in_room" in frame:
            loads.append(frame)

    page.on("websocket", lambda web_socket: web_socket.on("framesent", note))


def latest_log(cluster: DemoServer) -> str:
    """Return the output of the cluster since its last start."""
    return cluster.log.read_text().rpartition("Open ")[2]


def processes(cluster: DemoServer) -> dict[str, int]:
    """Return the process ids of the servers, by the name that the pages show."""
    found = re.findall(r"^Server (\d) is process (\d+)", latest_log(cluster), re.MULTILINE)
    return {f"server {number}": int(pid) for number, pid in found}


async def test_an_edit_on_one_server_appears_on_the_other(person):
    ada, ben = await open_on_both_servers(person)
    changed = toggled(await pressed(ben))
    await step(ada).click()
    await expect(step(ben)).to_have_attribute("aria-pressed", changed)
    await step(ben).click()
    await expect(step(ada)).to_have_attribute("aria-pressed", toggled(changed))


async def test_the_list_of_users_includes_users_on_the_other_server(person):
    ada, ben = await open_on_both_servers(person)
    for page in (ada, ben):
        await expect(page.locator("#present li")).to_have_text(["ada", "ben"])
    await ben.goto("/sequencer/")
    await expect(ada.locator("#present li")).to_have_text(["ada"])


async def test_users_on_two_servers_play_and_chat(person, demo_server):
    path = dice_game.Games(demo_server).new(turn=1, ada=0, ben=0)
    ada, ben = await open_on_both_servers(person, path, **dice_game.NO_MOTION)
    for page in (ada, ben):
        await dice_game.live(page)
        await expect(page.locator("#present li")).to_have_text(["ada", "ben"])
    await dice_game.play_until_a_player_scores({"ada": ada, "ben": ben})
    await dice_game.send_message(ben, "Well played.")
    await expect(dice_game.messages(ada).last).to_have_text("benWell played.")
    await ben.goto("/")
    await expect(dice_game.messages(ada).last).to_have_text("User ben left chat.")


async def test_a_page_reconnects_to_the_other_server_when_its_server_is_killed(person, demo_server):
    ada, ben = await open_on_both_servers(person)
    lost, remaining = await server_of(ada), await server_of(ben)
    try:
        os.kill(processes(demo_server)[lost], signal.SIGKILL)
        await expect(ada.locator("#server")).to_have_text(remaining)
        changed = toggled(await pressed(ben))
        await step(ada).click()
        await expect(step(ben)).to_have_attribute("aria-pressed", changed)
    finally:
        demo_server.stop()  # the next test starts a complete one


async def test_pages_load_their_messages_once_again_after_redis_was_restarted(person, demo_server):
    rooms, loads = Rooms(demo_server), []
    pk, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    await send_message(ben, "Before.")
    await expect(messages(ada)).to_have_text(["Before."])
    for page in (ada, ben):
        note_loads(page, loads)
        await page.reload()
        await expect(present(page)).to_have_text(["ada", "ben"])
    await ada.get_by_role("button", name="Restart Redis").click()
    await send_message(ben, "Meanwhile.")
    for page in (ada, ben):
        await expect(page.locator("#outage")).to_have_text("Some messages are gone: loaded again.")
    await send_message(ada, "After.")
    for page in (ada, ben):
        await expect(messages(page)).to_have_text(["Before.", "Meanwhile.", "After."])
    assert rooms.sql("SELECT text FROM chat_rooms_message WHERE room_id = ? ORDER BY id", pk) == [
        ("Before.",),
        ("Meanwhile.",),
        ("After.",),
    ]
    assert len(loads) == 4  # each page at first, and after its gap


async def test_the_panels_of_the_board_go_on_after_redis_was_restarted(person, demo_server):
    Board(demo_server).clear()
    page = await ready(await person("ada", "/ticket-board/"))
    await page.get_by_role("button", name="Restart Redis").click()
    await add(page, "ben", "Meanwhile")
    await expect_tickets(page, "todo", ["Meanwhile"])
    await add(page, "cleo", "After")
    await expect_tickets(page, "todo", ["Meanwhile", "After"])


async def test_redis_is_restarted_only_for_a_user_of_the_demo_with_a_csrf_token(person):
    ada, visitor = await person("ada", "/ticket-board/"), await person(None, "/login/")
    assert (await ada.request.post("/restart-redis/")).status == 403
    with_token = await visitor.request.post("/restart-redis/", headers=await csrf_header(visitor))
    assert with_token.status == 403
    await visitor.goto("/ticket-board/")
    await expect(visitor.get_by_role("button", name="Cut ada's connection")).to_be_visible()
    await expect(visitor.get_by_role("button", name="Restart Redis")).to_have_count(0)
    await expect(ada.get_by_role("button", name="Restart Redis")).to_be_visible()


# A terminal sends Ctrl-C to all processes that were started from it, including Valkey.
@pytest.mark.parametrize(
    ("kill", "how"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)], ids=["Ctrl-C", "TERM"]
)
async def test_the_command_ends_without_errors_or_processes(person, demo_server, kill, how):
    logged_before = len(latest_log(demo_server))  # by other tests, which restart Redis
    await open_on_both_servers(person)
    command = demo_server.process.pid
    kill(command, how)
    assert demo_server.process.wait(TIMEOUT) == 0
    for pid in processes(demo_server).values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.killpg(command, 0)
    assert "Error" not in latest_log(demo_server)[logged_before:]


def run_to_its_end(port: int, folder: Path, change: str = "") -> subprocess.CompletedProcess:
    """Run the command, which ends with an error. `change` is code that causes the error."""
    run = f"raise SystemExit(serve_cluster.main('{port}'))"
    code = f"from scripts import serve_cluster\n{change}\n{run}"
    environ = {**os.environ, "DEMO_DB": str(folder / "demo.sqlite3")}
    environ.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, timeout=TIMEOUT, check=False
    )


async def test_the_command_ends_if_a_server_does_not_start(tmp_path, demo_database):
    shutil.copy(demo_database, tmp_path / "demo.sqlite3")
    start = f"[ $DEMO_SERVER = 1 ] && exec {sys.executable} -m scripts.serve_cluster --server $0"
    ended = run_to_its_end(free_port(), tmp_path, f"serve_cluster.SERVER = ['sh', '-c', {start!r}]")
    assert b"Server 2 did not start (exit code 1)." in ended.stderr
    assert ended.returncode == 1
    [pid] = re.findall(rb"^Server 1 is process (\d+)", ended.stdout, re.MULTILINE)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_a_port_in_use_is_reported_before_anything_else_happens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_to_its_end(taken.getsockname()[1], tmp_path)
    assert b"make demo-cluster PORT=8001" in ended.stderr
    assert ended.returncode == 1
    assert [*tmp_path.iterdir()] == []
