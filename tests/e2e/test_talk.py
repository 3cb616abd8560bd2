"""The rooms to talk in: whatever way something gets into the table, it is said in the room."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import expect

from scripts.serve_cluster import valkey

from .conftest import PATIENCE, ROOT, DemoServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}
numbers = count(1)


@contextmanager
def two_servers(folder: Path, database: Path) -> Iterator[list[DemoServer]]:
    """Two processes with one database and one Valkey; unlike a cluster's, each has an address."""
    with ExitStack() as stack:
        url = stack.enter_context(valkey())
        servers = [DemoServer("scripts.serve_demo", folder, database) for _ in range(2)]
        for name, server in enumerate(servers, 1):
            server.environ |= {"DEMO_REDIS_URL": url, "DEMO_SERVER": str(name)}
            stack.callback(server.stop, signal.SIGTERM)
            server.start()
        yield servers


@pytest.fixture(scope="module")
def pair(tmp_path_factory, demo_database) -> Iterator[list[DemoServer]]:
    with two_servers(tmp_path_factory.mktemp("pair"), demo_database) as servers:
        yield servers


def in_a_third_process(server: DemoServer, code: str) -> None:
    """Run code in `manage.py shell`: no server, but with their database and their Valkey."""
    command = [sys.executable, "demo/manage.py", "shell", "-c", code]
    subprocess.run(command, cwd=ROOT, env=server.environ, timeout=PATIENCE, check=True)


class Rooms:
    """The rooms in a demo's database. Each test makes its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as database, database:
            return database.execute(statement, values).fetchall()

    def new(self) -> tuple[int, str]:
        """A new one of ada's: its key, and its path."""
        [(pk,)] = self.sql(
            "INSERT INTO talk_room (name, host_id) "
            "SELECT ?, id FROM auth_user WHERE username = 'ada' RETURNING id",
            f"Room {next(numbers):03}",
        )
        return pk, f"/talk/{pk}/"

    def say(self, room: int, text: str, user: str = "ben") -> None:
        """Write a message behind everybody's back."""
        self.sql(
            "INSERT INTO talk_message (room_id, text, created_at, user_id) "
            "SELECT ?, ?, '2026-01-01 12:00:00', id FROM auth_user WHERE username = ?",
            room,
            text,
            user,
        )


@pytest.fixture
def rooms(demo_server) -> Rooms:
    return Rooms(demo_server)


def said(page):
    return page.locator("#messages li p")


def here(page):
    return page.locator("#here li")


def door(page, name):
    return page.locator("#rooms a").filter(has_text=name)


async def say(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def come(person, path, *names, **options) -> list:
    """Pages of `names` in a room, once all of them are seen there by all."""
    pages = [await person(name, path, **options) for name in names]
    for page in pages:
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(here(page)).to_have_text(sorted(set(names)))
    return pages


async def token(page) -> dict[str, str]:
    """What DRF asks of who posts with a session."""
    [cookie] = [one for one in await page.context.cookies() if one["name"] == "csrftoken"]
    return {"X-CSRFToken": cookie["value"]}


async def test_people_talk_and_markup_is_text(person, rooms):
    _, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    await say(ada, "Is there <b>tea</b>?")
    await expect(said(ben)).to_have_text(["Is there <b>tea</b>?"])
    await expect(ada.get_by_label("Message", exact=True)).to_have_value("")
    await say(ben, "Always.")
    for page in (ada, ben):
        await expect(said(page)).to_have_text(["Is there <b>tea</b>?", "Always."])
    await expect(ben.locator("#messages .mine p")).to_have_text("Always.")
    await expect(ben.locator("#messages li").first).to_contain_text("ada")


async def test_who_is_here_is_seen_and_so_is_who_leaves(person, rooms):
    _, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    second = await person("ben", path)
    await expect(here(second)).to_have_text(["ada", "ben"])
    await second.close()
    await say(ben, "Still here.")
    await expect(said(ada)).to_have_text(["Still here."])
    await expect(here(ada)).to_have_text(["ada", "ben"])
    await door(ben, "Workshop").click()
    await expect(here(ada)).to_have_text(["ada"])
    await expect(ben).to_have_url(re.compile(r"/talk/\d+/$"))
    await ben.go_back()
    await expect(here(ada)).to_have_text(["ada", "ben"])
    await expect(said(ben)).to_have_text(["Still here."])
    await ben.close()
    await expect(here(ada)).to_have_text(["ada"])


async def test_what_is_said_in_one_room_is_not_heard_in_another(person, rooms):
    _, cellar = rooms.new()
    _, attic = rooms.new()
    [ada], [ben] = await come(person, cellar, "ada"), await come(person, attic, "ben")
    await say(ada, "Anybody down here?")
    await expect(said(ada)).to_have_text(["Anybody down here?"])
    await say(ben, "Nice view.")
    await expect(said(ben)).to_have_text(["Nice view."])


@pytest.mark.parametrize(
    ("text", "problem"),
    [("x" * 501, "no more than 500 characters"), ("   ", "may not be blank")],
    ids=["too long", "blank"],
)
async def test_what_the_serializer_refuses_stays_in_the_field(person, rooms, text, problem):
    _, path = rooms.new()
    [ada] = await come(person, path, "ada")
    await say(ada, text)
    await expect(ada.locator("#problem")).to_contain_text(problem)
    await expect(ada.get_by_label("Message", exact=True)).to_have_value(text)
    await say(ada, "Better.")
    await expect(said(ada)).to_have_text(["Better."])
    await expect(ada.locator("#problem")).to_be_empty()


async def test_what_was_missed_is_there_after_a_reconnect_and_nothing_twice(
    person, rooms, demo_server
):
    pk, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    await say(ada, "Before.")
    await expect(said(ben)).to_have_text(["Before."])
    demo_server.stop()
    await expect(ada.locator("#connection")).not_to_have_text("Live")
    rooms.say(pk, "Meanwhile.")
    rooms.sql("UPDATE talk_message SET text = 'Corrected.' WHERE text = 'Before.'")
    demo_server.start()
    for page in (ada, ben):
        await expect(said(page)).to_have_text(["Corrected.", "Meanwhile."])
        await expect(here(page)).to_have_text(["ada", "ben"])
    await say(ben, "After.")
    for page in (ada, ben):
        await expect(said(page)).to_have_text(["Corrected.", "Meanwhile.", "After."])


async def test_what_is_said_over_http_is_heard_and_only_its_author_may_change_it(person, rooms):
    pk, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    sent = {"room": pk, "text": "From HTTP"}
    posted = await ben.request.post("/api/messages/", data=sent, headers=await token(ben))
    assert posted.status == 201
    await expect(said(ada)).to_have_text(["From HTTP"])
    url = f"/api/messages/{(await posted.json())['id']}/"
    refused = await ada.request.delete(url, headers=await token(ada))
    assert refused.status == 403
    await ben.request.patch(url, data={"text": "Corrected"}, headers=await token(ben))
    await expect(said(ada)).to_have_text(["Corrected"])
    await ben.request.delete(url, headers=await token(ben))
    await expect(said(ada)).to_have_count(0)


async def test_a_room_that_is_opened_is_on_all_lists_and_its_name_is_taken(person, rooms):
    _, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    name = f"Cabin <i>{next(numbers)}</i>"
    await ada.get_by_label("Name of a new room").fill(name)
    await ada.get_by_role("button", name="Open").click()
    await expect(ada.get_by_role("heading", name=name)).to_be_focused()
    await expect(door(ben, name)).to_contain_text("(ada)")
    await ben.get_by_label("Name of a new room").fill(name)
    await ben.get_by_role("button", name="Open").click()
    await expect(ben.locator("#open-problem")).to_contain_text("already exists")
    await door(ben, name).click()
    await expect(here(ada)).to_have_text(["ada", "ben"])


async def test_who_is_in_a_room_that_is_deleted_is_told(person, rooms):
    pk, path = rooms.new()
    ada, ben = await come(person, path, "ada", "ben")
    refused = await ben.request.delete(f"/api/rooms/{pk}/", headers=await token(ben))
    assert refused.status == 403
    await ada.request.delete(f"/api/rooms/{pk}/", headers=await token(ada))
    await expect(ben.locator("#lost")).to_contain_text("is no more.")
    await ben.goto(path)
    await expect(ben.locator("#lost")).to_contain_text("is no more.")


async def test_earlier_messages_come_when_asked_for(person, rooms):
    pk, path = rooms.new()
    for number in range(60):
        rooms.say(pk, f"Message {number}")
    [ada] = await come(person, path, "ada")
    await expect(said(ada)).to_have_text([f"Message {number}" for number in range(10, 60)])
    await ada.get_by_role("button", name="Earlier messages").click()
    await expect(said(ada)).to_have_text([f"Message {number}" for number in range(60)])
    await expect(ada.get_by_role("button", name="Earlier messages")).to_be_hidden()


async def test_the_page_is_for_those_who_are_logged_in(person):
    page = await person(None, "/talk/")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_it_fits_on_a_phone_and_every_control_has_a_name(person, rooms):
    pk, path = rooms.new()
    rooms.say(pk, "w" * 400)
    [page] = await come(person, path, "cleo", viewport=PHONE, has_touch=True)
    await expect(said(page)).to_have_count(1)
    for summary in await page.locator("details summary").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for role in ("button", "link", "textbox"):
        for control in await page.get_by_role(role).all():
            assert await control.evaluate("it => it.ariaLabel || it.textContent.trim()"), control


async def test_people_on_two_servers_hear_each_other_and_a_third_process(visitor, pair):
    rooms, first = Rooms(pair[0]), pair[0]
    pk, path = rooms.new()
    pages = {}
    for name, server in zip(("ada", "ben"), pair, strict=True):
        pages[name] = page = await visitor(base_url=server.url)
        await page.goto(f"/login/?next={path}")
        await page.get_by_role("button", name=name).click()
        await page.wait_for_url(f"**{path}")
    for page in pages.values():
        await expect(here(page)).to_have_text(["ada", "ben"])
    await say(pages["ada"], "One")
    await expect(said(pages["ben"])).to_have_text(["One"])
    await say(pages["ben"], "Two")
    await expect(said(pages["ada"])).to_have_text(["One", "Two"])
    in_a_third_process(
        first,
        "from django.contrib.auth.models import User; from demo.talk.models import Message; "
        f"Message.objects.create(room_id={pk}, user=User.objects.get(username='cleo'), text='3')",
    )
    for page in pages.values():
        await expect(said(page)).to_have_text(["One", "Two", "3"])
    in_a_third_process(
        first, f"from demo.talk.models import Room; Room.objects.get(pk={pk}).visits.all().delete()"
    )
    for page in pages.values():
        await expect(here(page)).to_have_count(0)
