"""The ticket board: three people on one page, each with a connection and a right of his own."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest
from playwright.async_api import expect

from .conftest import PATIENCE, DemoServer, eventually
from .test_talk import PHONE, in_a_third_process, token, two_servers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/board/"
NAMES = ("ada", "ben", "cleo")
numbers = count(1)


class Board:
    """The tickets and the rights in a demo's database. Each test makes tickets of its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as database, database:
            return database.execute(statement, values).fetchall()

    def clear(self) -> None:
        """No tickets, and everybody has the right."""
        self.sql("DELETE FROM board_ticket")
        self.sql(
            "INSERT OR IGNORE INTO auth_user_groups (user_id, group_id) "
            "SELECT auth_user.id, auth_group.id FROM auth_user, auth_group "
            "WHERE auth_group.name = 'board' AND username IN ('ada', 'ben', 'cleo')"
        )

    def new(self, status: str = "todo") -> str:
        """The title of a new one, at the end of its column."""
        number = next(numbers)
        title = f"Task {number:03}"
        self.sql(
            "INSERT INTO board_ticket (title, status, position, owner_id) "
            "SELECT ?, ?, ?, id FROM auth_user WHERE username = 'ada'",
            title,
            status,
            number,
        )
        return title

    def status(self, title: str) -> str:
        return self.sql("SELECT status FROM board_ticket WHERE title = ?", title)[0][0]


@pytest.fixture
def board(demo_server) -> Board:
    board = Board(demo_server)
    board.clear()
    return board


@pytest.fixture(scope="module")
def pair(tmp_path_factory, demo_database) -> Iterator[list[DemoServer]]:
    with two_servers(tmp_path_factory.mktemp("pair"), demo_database) as servers:
        yield servers


def pane(page, name):
    return page.locator(f".pane[data-me={name}]")


def column(page, name, status):
    return pane(page, name).locator(f".column[data-status={status}]")


def cards(page, name, status):
    return column(page, name, status).locator(".ticket .title")


def card(page, name, title):
    return pane(page, name).locator(".ticket").filter(has_text=title)


def switch(page, name):
    return page.get_by_role("switch", name=f"{name} may see this")


def heard(page, name):
    return pane(page, name).locator(".heard")


async def ready(page):
    """All panes are subscribed, and the desk knows who has the right."""
    await expect(page.locator("#connection")).to_have_text("Live")
    for name in NAMES:
        await expect(pane(page, name).locator(".connection")).to_have_text("Live")
        await expect(switch(page, name)).to_be_enabled()
    return page


async def come(person, path=PAGE, **options):
    return await ready(await person(None, path, **options))


async def all_see(page, status, titles, names=NAMES):
    for name in names:
        await expect(cards(page, name, status)).to_have_text(titles)


async def choose(page, name, title):
    chosen = card(page, name, title)
    await chosen.locator(".title").click()
    await expect(chosen.locator(".tools")).to_be_visible()
    return chosen


async def add(page, name, title):
    await pane(page, name).get_by_label("A new card").fill(title)
    await pane(page, name).get_by_role("button", name="Add").click()


async def test_a_card_that_is_dragged_on_one_pane_moves_on_all(person, board):
    first, second, third = board.new(), board.new(), board.new("doing")
    page = await come(person)
    await all_see(page, "todo", [first, second])
    await card(page, "ada", second).drag_to(card(page, "ada", third))
    await all_see(page, "todo", [first])
    await expect(cards(page, "ada", "doing")).to_have_count(2)
    await all_see(page, "doing", await cards(page, "ada", "doing").all_text_contents())
    await card(page, "cleo", first).drag_to(column(page, "cleo", "done").locator("h3"))
    await all_see(page, "done", [first])
    assert board.status(first) == "done"


async def test_a_card_is_not_dropped_on_somebody_elses_pane(person, board):
    title, other = board.new(), board.new("doing")
    page = await come(person)
    await card(page, "ada", title).drag_to(card(page, "ben", other))
    await add(page, "ada", "A later change")
    await all_see(page, "todo", [title, "A later change"])
    await all_see(page, "doing", [other])


async def test_buttons_and_arrow_keys_move_a_card_as_well(person, board):
    first, second = board.new(), board.new()
    page = await come(person)
    chosen = await choose(page, "ben", first)
    await chosen.get_by_role("button", name="Down", exact=True).click()
    await all_see(page, "todo", [second, first])
    await page.keyboard.press("ArrowUp")
    await all_see(page, "todo", [first, second])
    await page.keyboard.press("ArrowRight")
    await all_see(page, "doing", [first])
    await chosen.get_by_role("button", name="To the next column").click()
    await all_see(page, "done", [first])
    await page.keyboard.press("ArrowLeft")
    await all_see(page, "doing", [first])
    await page.keyboard.press("Escape")
    await expect(chosen.locator(".title")).to_be_focused()
    await expect(chosen.locator(".tools")).to_be_hidden()


async def test_cards_are_made_renamed_and_deleted_and_markup_is_text(person, board):
    page = await come(person)
    await add(page, "cleo", "Buy <b>nails</b>")
    await all_see(page, "todo", ["Buy <b>nails</b>"])
    await expect(pane(page, "cleo").get_by_label("A new card")).to_have_value("")
    chosen = await choose(page, "ada", "Buy <b>nails</b>")
    await chosen.get_by_role("button", name="Edit").click()
    await chosen.get_by_label("Title").fill("Buy screws")
    await page.keyboard.press("Enter")
    await all_see(page, "todo", ["Buy screws"])
    await expect(card(page, "ada", "Buy screws").locator(".title")).to_be_focused()
    await card(page, "ada", "Buy screws").locator(".title").click()
    await (await choose(page, "ben", "Buy screws")).get_by_role("button", name="Delete").click()
    await all_see(page, "todo", [])


async def test_what_the_serializer_refuses_is_said_in_the_pane(person, board):
    title = board.new()
    page = await come(person)
    problem = pane(page, "ada").locator("> .problem")
    await add(page, "ada", "x" * 81)
    await expect(problem).to_contain_text("no more than 80 characters")
    await expect(pane(page, "ada").get_by_label("A new card")).to_have_value("x" * 81)
    chosen = await choose(page, "ada", title)
    await chosen.get_by_role("button", name="Edit").click()
    await expect(problem).to_contain_text("no more than 80 characters")
    await chosen.get_by_label("Title").fill("")
    await page.keyboard.press("Enter")
    await expect(problem).to_have_text("This field may not be blank.")
    await expect(chosen.get_by_label("Title")).to_be_visible()
    await page.keyboard.press("Escape")
    await all_see(page, "todo", [title])


async def test_who_loses_the_right_is_told_once_and_hears_nothing_until_it_is_back(person, board):
    first = board.new()
    page = await come(person)
    await switch(page, "ben").click()
    await expect(pane(page, "ben").locator(".note")).to_contain_text("The next change will tell.")
    await expect(cards(page, "ben", "todo")).to_have_text([first])
    await add(page, "ada", "Second")
    curtain = pane(page, "ben").locator(".curtain")
    await expect(curtain).to_contain_text("Refused (403)")
    await expect(curtain).to_contain_text("Your right to see this board was taken away.")
    await expect(cards(page, "ben", "todo")).to_have_count(0)
    await expect(heard(page, "ben")).to_have_text("1 frame heard")
    await add(page, "cleo", "Third")
    await all_see(page, "todo", [first, "Second", "Third"], names=["ada", "cleo"])
    await switch(page, "ben").click()
    await all_see(page, "todo", [first, "Second", "Third"])
    await expect(curtain).to_be_hidden()
    await expect(heard(page, "ben")).to_have_text("1 frame heard")  # "Third" was never told
    await add(page, "ben", "Fourth")
    await all_see(page, "todo", [first, "Second", "Third", "Fourth"])
    await expect(heard(page, "ben")).to_have_text("2 frames heard")


async def test_a_right_that_is_back_before_anything_was_told_changes_nothing(person, board):
    title = board.new()
    page = await come(person)
    await switch(page, "cleo").click()
    await expect(pane(page, "cleo").locator(".note")).not_to_be_empty()
    await switch(page, "cleo").click()
    await expect(pane(page, "cleo").locator(".note")).to_be_empty()
    await add(page, "ada", "Next")
    await all_see(page, "todo", [title, "Next"])
    await expect(heard(page, "cleo")).to_have_text("1 frame heard")


async def test_who_comes_without_the_right_is_refused_and_other_pages_show_the_switch(
    person, board
):
    board.new()
    page = await come(person)
    await switch(page, "ada").click()
    other = await come(person)
    await expect(pane(other, "ada").locator(".curtain")).to_contain_text("Refused (403)")
    await expect(switch(other, "ada")).not_to_be_checked()
    await switch(other, "ada").click()
    await expect(cards(other, "ada", "todo")).to_have_count(1)
    await expect(switch(page, "ada")).to_be_checked()


async def test_the_meter_counts_what_a_change_costs(person, board):
    title = board.new()
    page = await come(person)
    figures, account = page.locator("#figures"), page.locator("#account")

    async def measured():
        """Pages of other tests may still be leaving: then there are more subscribers."""
        await (card(page, "ada", title)).drag_to(column(page, "ada", "doing").locator("h3"))
        await expect(account).to_contain_text("to ask who may see it")
        return await figures.text_content() == "1 save · 3 subscribers · 5 queries"

    await eventually(measured)
    await expect(account).to_have_text(
        f"“{title}” was changed: 1 to save, 1 to read it, 3 to ask who may see it."
    )
    await (await choose(page, "ben", title)).get_by_role("button", name="Delete").click()
    await expect(account).to_contain_text("was deleted")
    await expect(figures).to_have_text("1 save · 3 subscribers · 5 queries")


async def test_a_change_in_the_admin_is_seen_at_once(person, visitor, board, demo_server):
    title = board.new()
    page = await come(person)
    admin = await visitor(base_url=demo_server.url)
    [(pk, owner)] = board.sql("SELECT id, owner_id FROM board_ticket WHERE title = ?", title)
    await admin.goto("/login/")
    await admin.get_by_label("Name").fill("admin")
    await admin.get_by_label("Password").fill("demo")
    await admin.get_by_role("button", name="Log in", exact=True).click()
    await admin.wait_for_url("**/")
    saved = await admin.request.post(
        f"/admin/board/ticket/{pk}/change/",
        form={"title": "By the admin", "status": "done", "position": 1, "owner": owner},
        headers=await token(admin),
    )
    assert saved.url.endswith("/admin/board/ticket/")  # else it shows errors
    await all_see(page, "done", ["By the admin"])


async def test_a_board_is_whole_again_after_a_reconnect(person, board, demo_server):
    title = board.new()
    page = await come(person)
    await all_see(page, "todo", [title])
    demo_server.stop()
    await expect(page.locator("#connection")).not_to_have_text("Live")
    later = board.new()
    demo_server.start()
    await all_see(page, "todo", [title, later])
    await add(page, "ada", "After all")
    await all_see(page, "todo", [title, later, "After all"])


FORGED = """(token) => new Promise((resolve) => {
    const socket = new WebSocket(location.href.replace("http", "ws"));
    socket.onopen = () => {
        socket.send(JSON.stringify({action: "authenticate", request_id: 1, token}));
        socket.send(JSON.stringify({action: "subscribe_to_board", request_id: 2}));
    };
    const statuses = [];
    socket.onmessage = ({ data }) => {
        statuses.push(JSON.parse(data).response_status);
        if (statuses.length === 2) resolve(statuses);
    };
})"""


async def test_a_token_that_was_not_given_here_is_nobodys(person, board):
    page = await come(person)
    assert await page.evaluate(FORGED, "ImFkYSI:1tKzzz:forged") == [401, 401]
    [ada, *_] = await page.evaluate("JSON.parse(document.getElementById('people').textContent)")
    assert await page.evaluate(FORGED, ada["token"]) == [200, 201]


async def test_it_fits_on_a_phone_and_every_control_has_a_name(person, board):
    title = board.new()
    page = await come(person, viewport=PHONE, has_touch=True)
    await choose(page, "ada", title)
    for summary in await page.locator("details summary").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for role in ("button", "link", "textbox", "switch"):
        for control in await page.get_by_role(role).all():
            assert await control.evaluate("it => it.ariaLabel || it.textContent.trim()"), control


async def test_boards_on_two_servers_show_the_same_and_so_does_a_third_process(visitor, pair):
    board = Board(pair[0])
    board.clear()
    title = board.new()
    pages = []
    for name, server in enumerate(pair, 1):
        page = await visitor(base_url=server.url)
        await page.goto(PAGE)
        await ready(page)
        await expect(pane(page, "ada").locator(".server")).to_have_text(f"server {name}")
        await all_see(page, "todo", [title])
        pages.append(page)
    await (await choose(pages[0], "ada", title)).get_by_role("button", name="To the next").click()
    for page in pages:
        await all_see(page, "doing", [title])
        await expect(page.locator("#figures")).to_have_text("1 save · 6 subscribers · 9 queries")
        await expect(page.locator("#account")).to_contain_text("2 to read it (by 2 servers)")
    await switch(pages[1], "ben").click()
    await expect(switch(pages[0], "ben")).not_to_be_checked()
    in_a_third_process(
        pair[0],
        "from demo.board.models import Ticket; ticket = Ticket.objects.get(); "
        "ticket.title = 'From a shell'; ticket.save()",
    )
    for page in pages:
        await all_see(page, "doing", ["From a shell"], names=["ada", "cleo"])
        await expect(pane(page, "ben").locator(".curtain")).to_contain_text("Refused (403)")
        await expect(page.locator("#account")).to_contain_text(re.compile("^“From a shell”"))
    await switch(pages[0], "ben").click()
    for page in pages:
        await all_see(page, "doing", ["From a shell"])
