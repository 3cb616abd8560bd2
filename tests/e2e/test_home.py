"""The home page, the links behind every page, and the rows that open pages are."""

import re
import sqlite3
from contextlib import closing

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .conftest import ROOT, TIMEOUT, eventually
from .test_pages import PAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def sql(demo_server):
    """`sql(statement, *values)` runs it in the database of the demo."""

    def run(statement, *values):
        file = demo_server.environ["DEMO_DB"]
        with closing(sqlite3.connect(file, timeout=TIMEOUT)) as database, database:
            return database.execute(statement, values).fetchall()

    return run


@pytest_asyncio.fixture(loop_scope="session")
async def home(person, sql):
    """The home page with both clients live, and a list of one item."""
    sql("DELETE FROM shopping_list_item")
    sql("INSERT INTO shopping_list_item (text, done) VALUES ('Tea', 0)")
    page = await person(None, "/")
    for name in "AB":
        await expect(client(page, name).locator("#connection")).to_have_text("Live")
    return page


def client(page, name):
    return page.frame_locator(f'iframe[title="Client {name}"]')


def items(page, name):
    return client(page, name).locator("#items li")


async def add(page, name, text):
    await client(page, name).get_by_label("New item").fill(text)
    await client(page, name).get_by_role("button", name="Add").click()


async def test_two_clients_are_live_and_one_follows_the_other(home):
    await items(home, "A").get_by_role("checkbox").check()
    await expect(items(home, "B").get_by_role("checkbox")).to_be_checked()
    await items(home, "B").get_by_label("Item").fill("Coffee")
    await items(home, "B").get_by_label("Item").press("Enter")
    await expect(items(home, "A").get_by_label("Item")).to_have_value("Coffee")
    await add(home, "A", "Milk")
    await expect(items(home, "B")).to_have_count(2)
    await items(home, "B").first.get_by_role("button", name="Remove").click()
    await expect(items(home, "A")).to_have_count(1)
    await expect(items(home, "A").get_by_label("Item")).to_have_value("Milk")


async def test_the_frames_of_both_clients_are_shown(home):
    frames = home.locator("#frames li")
    await expect(frames).to_have_count(4)  # both send "follow" and receive an answer
    await items(home, "A").get_by_role("checkbox").check()
    sent = frames.filter(has_text="A sends").last
    await expect(sent.locator("code")).to_contain_text('"data":{"done":true}')
    await expect(frames.filter(has_text='"action":"update"')).to_have_count(2)
    received = frames.filter(has_text="B receives").last
    await expect(received.locator("code")).to_contain_text('"done":true')
    await expect(received).to_contain_text(re.compile(r"\+\d+ ms"))


async def test_the_code_beside_the_clients_is_that_of_the_files(home):
    shown = await home.locator(".code pre code").all_text_contents()
    files = await home.locator(".code .file").all_text_contents()
    assert len(files) == len(shown) > 2
    for file, code in zip(files, shown, strict=True):
        assert code == (ROOT / file.split(" ·")[0]).read_text().rstrip()


async def test_a_refused_change_is_told_and_undone(home):
    text = items(home, "A").get_by_label("Item")
    await text.fill("")
    await text.press("Enter")
    await expect(client(home, "A").locator("#problem")).to_contain_text("may not be blank")
    await expect(text).to_have_value("Tea")


async def test_a_list_that_is_full_takes_no_more_items(home, sql):
    for number in range(11):
        sql("INSERT INTO shopping_list_item (text, done) VALUES (?, 0)", f"Item {number}")
    await add(home, "B", "Milk")
    await expect(client(home, "B").locator("#problem")).to_contain_text("The list is full.")


async def test_each_page_has_a_card_with_a_picture_and_links(home):
    cards = home.locator(".tile")
    links = await home.get_by_label("Pages").get_by_role("link").all_text_contents()
    await expect(cards.locator("h3")).to_have_text([*links, "Console"])
    for card in await cards.all():
        await card.scroll_into_view_if_needed()
        await eventually(lambda card=card: card.locator("img").evaluate("it => it.naturalWidth"))
        behind = card.get_by_role("navigation").get_by_role("link")
        await expect(behind).to_have_text(["Console", "Admin", "Docs", "Source"])


async def test_no_link_of_the_home_page_is_broken(home):
    links = home.locator("a[href^='/']")
    for url in set(await links.evaluate_all("all => all.map((link) => link.href)")):
        answer = await home.request.get(url)
        assert answer.ok, url


@pytest.mark.parametrize("path", PAGES)
async def test_every_open_page_is_a_row_in_the_admin(person, sql, path):
    # Not every row is of an open page: a test may have killed the server, and then rows stay
    # until their lease ends.
    earlier = sql("SELECT id, path FROM sockets_socket")
    page = await person("cleo", path)

    def has_row():
        rows = set(sql("SELECT id, path FROM sockets_socket")).difference(earlier)
        return any(row in (path, f"/visitors{path}") for (_, row) in rows)

    await eventually(has_row)
    await page.close()
    await eventually(lambda: not has_row())


async def test_a_page_shows_which_users_have_it_open(person):
    ada = await person("ada", "/plants/")
    visitors = ada.get_by_label("Visitors of this page").get_by_role("listitem")
    await expect(visitors).to_have_text(["ada"])
    ben, guest = await person("ben", "/plants/"), await person(None, "/plants/")
    await expect(visitors).to_have_text(["ada", "ben", "1 guest"])
    await ben.close()
    await guest.close()
    await expect(visitors).to_have_text(["ada"])
