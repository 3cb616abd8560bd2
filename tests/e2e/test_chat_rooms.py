"""The chat rooms show every message that is saved, whichever code saves it."""

import re
import sqlite3
from contextlib import closing
from itertools import count

import pytest
from playwright.async_api import expect

from .conftest import TIMEOUT, DemoServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}
numbers = count(1)


class Rooms:
    """The rooms in a demo's database. Each test creates its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=TIMEOUT)) as database, database:
            return database.execute(statement, values).fetchall()

    def new(self) -> tuple[int, str]:
        """Create a room of ada; return its id and its path."""
        [(pk,)] = self.sql(
            "INSERT INTO chat_rooms_room (name, host_id) "
            "SELECT ?, id FROM auth_user WHERE username = 'ada' RETURNING id",
            f"Room {next(numbers):03}",
        )
        return pk, f"/chat-rooms/{pk}/"

    def save_message(self, room: int, text: str, user: str = "ben") -> None:
        """Save a message with SQL, so that no observer notices it."""
        self.sql(
            "INSERT INTO chat_rooms_message (room_id, text, created_at, user_id) "
            "SELECT ?, ?, '2026-01-01 12:00:00', id FROM auth_user WHERE username = ?",
            room,
            text,
            user,
        )


@pytest.fixture
def rooms(demo_server) -> Rooms:
    return Rooms(demo_server)


def messages(page):
    return page.locator("#messages li p")


def present(page):
    return page.locator("#present li")


def room_link(page, name):
    return page.locator("#rooms a").filter(has_text=name)


async def send_message(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def cut_connection(page) -> None:
    """Cut the page's connection until `connect_again`. For users it takes three seconds."""
    await page.locator("#cut").evaluate("button => button.dataset.seconds = 60")
    await page.locator("#cut").click()
    await expect(page.locator("#outage")).to_have_text("Connection lost …")


async def connect_again(page) -> None:
    await page.get_by_role("button", name="Connect again").click()


def missed(noun: str, number: int) -> str:
    """Return what a page tells when it has received what it missed."""
    return f"Connected again. Missed {noun} received: {number}."


async def open_room(person, path, *names, **options) -> list:
    """Open a room as each of `names`. Return when each page lists all of them."""
    pages = [await person(name, path, **options) for name in names]
    for page in pages:
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(present(page)).to_have_text(sorted(set(names)))
    return pages


async def csrf_header(page) -> dict[str, str]:
    """Return the header that DRF requires for requests with a session."""
    [cookie] = [cookie for cookie in await page.context.cookies() if cookie["name"] == "csrftoken"]
    return {"X-CSRFToken": cookie["value"]}


async def test_users_chat_and_markup_is_shown_as_text(person, rooms):
    _, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    await send_message(ada, "Is there <b>tea</b>?")
    await expect(messages(ben)).to_have_text(["Is there <b>tea</b>?"])
    await expect(ada.get_by_label("Message", exact=True)).to_have_value("")
    await send_message(ben, "Always.")
    for page in (ada, ben):
        await expect(messages(page)).to_have_text(["Is there <b>tea</b>?", "Always."])
    await expect(ben.locator("#messages .mine p")).to_have_text("Always.")
    await expect(ben.locator("#messages li").first).to_contain_text("ada")


async def test_the_page_lists_the_users_in_the_room(person, rooms):
    _, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    second = await person("ben", path)
    await expect(present(second)).to_have_text(["ada", "ben"])
    await second.close()
    await send_message(ben, "Still here.")
    await expect(messages(ada)).to_have_text(["Still here."])
    await expect(present(ada)).to_have_text(["ada", "ben"])
    await room_link(ben, "Workshop").click()
    await expect(present(ada)).to_have_text(["ada"])
    await expect(ben).to_have_url(re.compile(r"/chat-rooms/\d+/$"))
    await ben.go_back()
    await expect(present(ada)).to_have_text(["ada", "ben"])
    await expect(messages(ben)).to_have_text(["Still here."])
    await ben.close()
    await expect(present(ada)).to_have_text(["ada"])


async def test_a_message_does_not_appear_in_another_room(person, rooms):
    _, cellar = rooms.new()
    _, attic = rooms.new()
    [ada], [ben] = await open_room(person, cellar, "ada"), await open_room(person, attic, "ben")
    await send_message(ada, "Anybody down here?")
    await expect(messages(ada)).to_have_text(["Anybody down here?"])
    await send_message(ben, "Nice view.")
    await expect(messages(ben)).to_have_text(["Nice view."])


@pytest.mark.parametrize(
    ("text", "problem"),
    [("x" * 501, "no more than 500 characters"), ("   ", "may not be blank")],
    ids=["too long", "blank"],
)
async def test_a_refused_message_stays_in_the_field(person, rooms, text, problem):
    _, path = rooms.new()
    [ada] = await open_room(person, path, "ada")
    await send_message(ada, text)
    await expect(ada.locator("#problem")).to_contain_text(problem)
    await expect(ada.get_by_label("Message", exact=True)).to_have_value(text)
    await send_message(ada, "Better.")
    await expect(messages(ada)).to_have_text(["Better."])
    await expect(ada.locator("#problem")).to_be_empty()


async def test_missed_messages_appear_once_after_a_reconnect(person, rooms, demo_server):
    pk, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    await send_message(ada, "Before.")
    await expect(messages(ben)).to_have_text(["Before."])
    demo_server.stop()
    await expect(ada.locator("#connection")).not_to_have_text("Live")
    rooms.save_message(pk, "Meanwhile.")
    rooms.sql("UPDATE chat_rooms_message SET text = 'Corrected.' WHERE text = 'Before.'")
    demo_server.start()
    for page in (ada, ben):
        await expect(messages(page)).to_have_text(["Corrected.", "Meanwhile."])
        await expect(present(page)).to_have_text(["ada", "ben"])
    await send_message(ben, "After.")
    for page in (ada, ben):
        await expect(messages(page)).to_have_text(["Corrected.", "Meanwhile.", "After."])


async def test_messages_that_were_missed_while_a_connection_was_cut_appear_once(person, rooms):
    _, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    await send_message(ada, "Before.")
    await expect(messages(ben)).to_have_text(["Before."])
    await cut_connection(ada)
    for text in ("One", "Two", "Three"):
        await send_message(ben, text)
        await expect(messages(ben).last).to_have_text(text)
    await expect(messages(ada)).to_have_text(["Before."])
    await connect_again(ada)
    await expect(ada.locator("#outage")).to_have_text(missed("messages", 3))
    await expect(messages(ada)).to_have_text(["Before.", "One", "Two", "Three"])
    await expect(present(ben)).to_have_text(["ada", "ben"])


async def test_only_the_command_for_a_cluster_lets_a_page_restart_redis(person, rooms):
    _, path = rooms.new()
    [ada] = await open_room(person, path, "ada")
    await expect(ada.get_by_role("button", name="Restart Redis")).to_have_count(0)
    refused = await ada.request.post("/restart-redis/", headers=await csrf_header(ada))
    assert refused.status == 403


async def test_a_message_sent_over_http_appears_and_only_its_author_may_change_it(person, rooms):
    pk, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    sent = {"room": pk, "text": "From HTTP"}
    posted = await ben.request.post("/api/messages/", data=sent, headers=await csrf_header(ben))
    assert posted.status == 201
    await expect(messages(ada)).to_have_text(["From HTTP"])
    url = f"/api/messages/{(await posted.json())['id']}/"
    refused = await ada.request.delete(url, headers=await csrf_header(ada))
    assert refused.status == 403
    await ben.request.patch(url, data={"text": "Corrected"}, headers=await csrf_header(ben))
    await expect(messages(ada)).to_have_text(["Corrected"])
    await ben.request.delete(url, headers=await csrf_header(ben))
    await expect(messages(ada)).to_have_count(0)


async def test_a_new_room_appears_in_all_lists_and_its_name_is_unique(person, rooms):
    _, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    name = f"Cabin <i>{next(numbers)}</i>"
    await ada.get_by_label("Name of a new room").fill(name)
    await ada.get_by_role("button", name="Create").click()
    await expect(ada.get_by_role("heading", name=name)).to_be_focused()
    await expect(room_link(ben, name)).to_contain_text("(ada)")
    await ben.get_by_label("Name of a new room").fill(name)
    await ben.get_by_role("button", name="Create").click()
    await expect(ben.locator("#new-room-problem")).to_contain_text("already exists")
    await room_link(ben, name).click()
    await expect(present(ada)).to_have_text(["ada", "ben"])


async def test_the_users_in_a_deleted_room_see_a_message(person, rooms):
    pk, path = rooms.new()
    ada, ben = await open_room(person, path, "ada", "ben")
    refused = await ben.request.delete(f"/api/rooms/{pk}/", headers=await csrf_header(ben))
    assert refused.status == 403
    await ada.request.delete(f"/api/rooms/{pk}/", headers=await csrf_header(ada))
    await expect(ben.locator("#deleted")).to_contain_text("was deleted.")
    await ben.goto(path)
    await expect(ben.locator("#deleted")).to_contain_text("was deleted.")


async def test_a_button_loads_earlier_messages(person, rooms):
    pk, path = rooms.new()
    for number in range(60):
        rooms.save_message(pk, f"Message {number}")
    [ada] = await open_room(person, path, "ada")
    await expect(messages(ada)).to_have_text([f"Message {number}" for number in range(10, 60)])
    await ada.get_by_role("button", name="Earlier messages").click()
    await expect(messages(ada)).to_have_text([f"Message {number}" for number in range(60)])
    await expect(ada.get_by_role("button", name="Earlier messages")).to_be_hidden()


async def test_a_reload_shows_the_latest_message(person, rooms):
    pk, path = rooms.new()
    for number in range(60):
        rooms.save_message(pk, f"Message {number}")
    [ada] = await open_room(person, path, "ada")
    await ada.reload()
    await expect(messages(ada).last).to_be_in_viewport()


async def test_the_page_requires_a_log_in(person):
    page = await person(None, "/chat-rooms/")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_the_page_fits_on_a_phone_and_every_control_has_a_name(person, rooms):
    pk, path = rooms.new()
    rooms.save_message(pk, "w" * 400)
    [page] = await open_room(person, path, "cleo", viewport=PHONE, has_touch=True)
    await expect(messages(page)).to_have_count(1)
    for summary in await page.locator("details summary").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for role in ("button", "link", "textbox"):
        for control in await page.get_by_role(role).all():
            assert await control.evaluate("it => it.ariaLabel || it.textContent.trim()"), control
