"""The plant shelf uses every action of a `ModelConsumer`."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from itertools import count

import pytest
from playwright.async_api import expect

from .conftest import TIMEOUT, DemoServer, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/plants/"
numbers = count(1)


class Plants:
    """The plants in the demo's database. Each test creates its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=TIMEOUT)) as database, database:
            return database.execute(statement, values).fetchall()

    def new(self, owner: str = "ada", *, wet: bool = False) -> str:
        """Create a plant in the study; return its name. It needs water unless it is `wet`."""
        name = f"Sprout {next(numbers):03}"
        due = date.today() + timedelta(days=5 if wet else -5)  # noqa: DTZ011 - far from midnight
        self.sql(
            "INSERT INTO plants_plant (name, species, kind, place, water_every, due, owner_id) "
            "SELECT ?, 'Ficus carica', 'leafy', 'study', 9, ?, id FROM auth_user "
            "WHERE username = ?",
            name,
            due.isoformat(),
            owner,
        )
        return name

    def place(self, name: str) -> str:
        return self.sql("SELECT place FROM plants_plant WHERE name = ?", name)[0][0]

    def has(self, name: str) -> bool:
        return self.sql("SELECT COUNT(*) FROM plants_plant WHERE name = ?", name)[0][0] == 1

    def count(self) -> int:
        return self.sql("SELECT COUNT(*) FROM plants_plant")[0][0]


@pytest.fixture
def plants(demo_server) -> Plants:
    return Plants(demo_server)


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def plant_names(page):
    return page.locator("#shelf .name")


def news(page):
    return page.locator("#news")


def problem(page):
    return page.locator("#problem")


async def search(page, words):
    await page.get_by_label("Search").fill(words)


async def select(page, name):
    """Find a plant and select it."""
    await search(page, name)
    await expect(plant_names(page)).to_have_text([name])
    await plant_names(page).click()
    await expect(page.get_by_role("heading", name=name)).to_be_focused()


async def fill(page, **fields):
    for label, value in fields.items():
        await page.locator("#form").get_by_label(label.replace("_", " ")).fill(value)


async def with_proxy(person, name, path=r"[0-9]/plants/$", cut_after=None) -> tuple:
    """Return a page, its frames (sent and received, in order) and its connections.

    `cut_after` closes the first connection after that number of frames from the server.
    """
    frames, connections = [], []

    def proxy(socket):
        server = socket.connect_to_server()
        connections.append(socket)

        async def on_received(frame):
            frames.append(("received", json.loads(frame).get("action")))
            socket.send(frame)
            if len(connections) == 1 and len(frames) == cut_after:
                await socket.close(code=1012)

        def on_sent(frame):
            if cut_after is None:
                frames.append(("sent", json.loads(frame).get("action")))
            server.send(frame)

        server.on_message(on_received)
        socket.on_message(on_sent)

    page = await person(name, "/")
    await page.route_web_socket(re.compile(path), proxy)
    await page.goto(PAGE)
    await expect(page.locator("#connection")).to_have_text("Live")
    return page, frames, connections


async def test_the_shelf_has_a_search_an_order_and_pages(person, plants):
    names = [plants.new() for _ in range(10)]
    page = await person("ada", PAGE)
    await search(page, "Sprout Ficus ada")
    await expect(plant_names(page).first).to_have_text(re.compile("^Sprout"))
    await page.get_by_label("Order").select_option("Newest first")
    await expect(plant_names(page)).to_have_text(names[:1:-1])
    await button(page, "More plants").click()
    await expect(plant_names(page).first).to_have_text(names[1])
    await expect(page.locator("#bounds")).to_have_text(re.compile(r"^9–\d+ of \d+$"))
    await button(page, "Previous plants").click()
    await expect(plant_names(page).first).to_have_text(names[-1])
    await expect(button(page, "Previous plants")).to_be_disabled()


async def test_a_search_without_results_offers_to_show_all_plants(person):
    page = await person("ada", PAGE)
    await search(page, "a plant of plastic")
    await expect(page.locator("#none")).to_be_visible()
    await button(page, "Show all plants").click()
    await expect(plant_names(page)).to_have_count(8)
    await expect(page.get_by_label("Search")).to_be_focused()


async def test_a_plant_is_created_updated_moved_and_removed(person, plants):
    page, frames, _connections = await with_proxy(person, "ada")
    name = f"Novel {next(numbers)}"
    await button(page, "Add a plant").click()
    await fill(page, Name=name, Species="Ficus carica", Days_between_waterings="4")
    await button(page, "Save").click()
    await expect(news(page)).to_have_text(f"{name} is saved.")
    await button(page, "Edit").click()
    await fill(page, Name=f"{name}, grown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=f"{name}, grown")).to_be_focused()
    await page.get_by_label("Current place").select_option("balcony")
    await expect(news(page)).to_have_text(f"{name}, grown is now in the balcony.")
    assert plants.place(f"{name}, grown") == "balcony"
    await button(page, "Remove").click()
    await button(page, f"Really remove {name}, grown?").click()
    await expect(news(page)).to_have_text(f"{name}, grown is removed.")
    assert not plants.has(f"{name}, grown")
    requests = [action for way, action in frames if way == "sent" and action != "list"]
    assert requests == ["create", "update", "patch", "delete"]


async def test_a_selected_plant_is_retrieved_from_the_server(person, plants):
    name = plants.new()
    page, frames, _connections = await with_proxy(person, "ada")
    await search(page, name)
    await expect(plant_names(page)).to_have_text([name])
    plants.sql("UPDATE plants_plant SET place = 'hall' WHERE name = ?", name)
    await plant_names(page).click()
    await expect(page.get_by_label("Current place")).to_have_value("hall")
    assert frames[-2:] == [("sent", "retrieve"), ("received", "retrieve")]


async def test_each_error_is_shown_at_its_field(person, plants):
    taken = plants.new()
    page = await person("ada", PAGE)
    await button(page, "Add a plant").click()
    await fill(page, Name=taken, Species="ficus", Days_between_waterings="99")
    await button(page, "Save").click()
    form = page.locator("#form")
    name, days = form.get_by_label("Name"), form.get_by_label("Days between")
    await expect(name).to_have_accessible_description("plant with this name already exists.")
    await expect(form.get_by_label("Species")).to_have_accessible_description(
        "Write the botanical name, for example Monstera deliciosa."
    )
    await expect(days).to_have_attribute("aria-invalid", "true")
    await expect(form.get_by_label("Kind")).to_have_attribute("aria-invalid", "false")
    await expect(name).to_be_focused()
    await fill(page, Species="Ficus carica", Days_between_waterings="9")
    await button(page, "Save").click()
    await expect(days).to_have_attribute("aria-invalid", "false")
    await expect(name).to_have_attribute("aria-invalid", "true")


async def test_a_double_click_on_save_creates_one_plant(person, plants):
    page, frames, _connections = await with_proxy(person, "ada")
    name = f"Novel {next(numbers)}"
    await button(page, "Add a plant").click()
    await fill(page, Name=name)
    await button(page, "Save").dblclick()
    await expect(news(page)).to_have_text(f"{name} is saved.")
    assert frames.count(("sent", "create")) == 1
    assert plants.has(name)


async def test_a_plant_that_needs_no_water_is_not_watered(person, plants):
    page = await person("ada", PAGE)
    name = plants.new()
    await select(page, name)
    await button(page, "Water").click()
    await expect(news(page)).to_have_text(f"{name} is watered. Next watering: in 9 days.")
    await expect(page.locator("#shelf .due")).to_have_text("in 9 days")
    await button(page, "Water").click()
    await expect(problem(page)).to_have_text(f"{name} does not need water yet.")


async def test_other_users_get_an_error_when_they_change_a_plant(person, plants):
    name = plants.new("ada")
    ben = await person("ben", PAGE)
    error = f"{name} belongs to ada. You may water it, but not change it."
    await select(ben, name)
    await ben.get_by_label("Current place").select_option("hall")
    await expect(problem(ben)).to_have_text(error)
    await expect(ben.get_by_label("Current place")).to_have_value("study")
    await button(ben, "Remove").click()
    await expect(problem(ben)).to_have_text(error)
    await button(ben, f"Really remove {name}?").click()
    await expect(problem(ben)).to_have_text(error)
    await button(ben, "Edit").click()
    await expect(problem(ben)).to_have_text("")
    await button(ben, "Save").click()
    await expect(problem(ben)).to_have_text(error)
    await button(ben, "Cancel").click()
    await button(ben, "Water").click()
    await expect(news(ben)).to_contain_text("is watered")
    assert plants.place(name) == "study"


async def test_a_guest_can_see_plants_and_must_log_in_to_change_them(person, plants):
    name = plants.new()
    guest = await person(None, PAGE)
    await select(guest, name)
    for name in ("Add a plant", "Edit", "Remove"):
        await expect(button(guest, name)).to_have_count(0)
    await button(guest, "Water").click()
    await expect(problem(guest)).to_have_text("You are a guest. Please log in to do this.")
    await problem(guest).get_by_role("link", name="log in").click()
    await guest.get_by_role("button", name="cleo").click()
    await guest.wait_for_url(f"**{PAGE}")


async def test_a_plant_that_was_removed_in_another_tab_is_reported(person, plants):
    name = plants.new()
    page, other = await person("ada", PAGE), await person("ada", PAGE)
    await select(page, name)
    await select(other, name)
    await button(other, "Remove").click()
    await button(other, f"Really remove {name}?").click()
    await expect(news(other)).to_have_text(f"{name} is removed.")
    await button(page, "Water").click()
    await expect(problem(page)).to_have_text(f"{name} was removed by another user.")
    await expect(page.locator("#none")).to_be_visible()
    await expect(page.get_by_role("heading", name="No plant selected")).to_be_focused()


async def test_a_list_is_answered_while_a_slow_action_runs(person, plants):
    name, other = plants.new(wet=True), plants.new()
    page, frames, _connections = await with_proxy(person, "ben")
    await select(page, name)
    await button(page, "Ask the gardener").click()
    await search(page, other)
    await expect(plant_names(page)).to_have_text([other])
    answer = page.locator("#answers li").filter(has_text=name)
    await expect(answer).to_contain_text("It has enough water. Wipe the dust off its leaves")
    await expect(answer).to_have_attribute("aria-busy", "false")
    start = frames.index(("sent", "ask_gardener"))
    assert frames[start + 1 :][-1] == ("received", "ask_gardener")
    assert ("received", "list") in frames[start:]


async def test_the_export_is_sent_page_by_page_and_can_be_saved(person, plants):
    page = await person("ada", PAGE)
    await page.get_by_label("Order").select_option("Next watering first")
    await button(page, "Export the list").click()
    await expect(page.locator("#exported")).to_have_text(f"3 of {plants.count()}")
    await expect(page.get_by_role("progressbar", name="Export")).to_be_visible()
    await expect(button(page, "Cancel")).to_be_focused()
    await page.get_by_label("Search").focus()  # the end of the export must not move the focus
    await expect(page.get_by_role("link", name="Save plants.json")).to_be_visible()
    await expect(page.get_by_label("Search")).to_be_focused()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save plants.json").click()
    saved = json.loads((await (await download.value).path()).read_text())
    assert len({row["id"] for row in saved}) == plants.count()
    assert [row["due"] for row in saved] == sorted(row["due"] for row in saved)


async def test_the_export_can_be_cancelled(person, plants):
    page, frames, _connections = await with_proxy(person, "ada", r"[0-9]/plants/stream/$")
    await button(page, "Export the list").click()
    await expect(page.locator("#exported")).to_contain_text(f"of {plants.count()}")
    await button(page, "Cancel").click()
    await expect(page.locator("#exported")).to_have_text(
        re.compile(rf"^Cancelled at \d+ of {plants.count()}\.$")
    )
    assert frames[-1] == ("received", "list_cancel")
    pages = frames.count(("received", "list"))
    assert pages * 3 < plants.count()
    await expect(button(page, "Export the list")).to_be_focused()


async def test_an_export_continues_after_a_lost_connection(person, plants):
    page, _frames, connections = await with_proxy(
        person, "ada", r"[0-9]/plants/stream/$", cut_after=2
    )
    await button(page, "Export the list").click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save plants.json").click()
    saved = json.loads((await (await download.value).path()).read_text())
    assert [row["name"] for row in saved] == [
        name for (name,) in plants.sql("SELECT name FROM plants_plant ORDER BY name")
    ]
    assert len(connections) == 2


async def test_the_shelf_is_loaded_again_after_a_reconnect(person, plants):
    page, frames, connections = await with_proxy(person, "ada")
    name = plants.new()
    await select(page, name)
    plants.sql("UPDATE plants_plant SET kind = 'fern' WHERE name = ?", name)
    await connections[0].close(code=1012)
    await eventually(lambda: len(connections) == 2)
    await expect(page.locator("#shelf .green")).to_have_attribute("href", "#fern")
    assert frames[-1] == ("received", "list")
    await button(page, "Water").click()
    await expect(news(page)).to_contain_text("is watered")


async def test_a_change_without_a_connection_is_saved_after_the_reconnect(
    person, plants, demo_server
):
    page = await person("ada", PAGE)
    name = plants.new()
    await select(page, name)
    demo_server.stop()
    await expect(page.locator("#connection")).to_have_text(re.compile("lost|Connecting"))
    await page.get_by_label("Current place").select_option("kitchen")
    demo_server.start()
    await expect(news(page)).to_have_text(f"{name} is now in the kitchen.")
    assert plants.place(name) == "kitchen"


async def test_the_escape_key_closes_the_form_and_then_the_plant(person, plants):
    page = await person("ada", PAGE)
    name = plants.new()
    await select(page, name)
    await button(page, "Edit").click()
    await page.keyboard.press("Escape")
    await expect(button(page, "Edit")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".plant").filter(has_text=name)).to_be_focused()
    await expect(page.get_by_role("heading", name="No plant selected")).to_be_visible()


async def test_the_http_api_has_the_same_rows_and_permissions(person, plants):
    name = plants.new("ada")
    ben = await person("ben", PAGE)
    await select(ben, name)
    rows = await (await ben.request.get("/api/plants/", params={"search": name})).json()
    assert [row["name"] for row in rows] == [name]
    token = next(
        item["value"] for item in await ben.context.cookies() if item["name"] == "csrftoken"
    )
    path = f"/api/plants/{rows[0]['id']}/"
    refused = await ben.request.delete(path, headers={"X-CSRFToken": token})
    assert refused.status == 403
    assert "belongs to ada" in (await refused.json())["detail"]
