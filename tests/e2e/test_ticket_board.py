"""The ticket board: three users on one page, each with its own connection and access."""

import json
import re
import sqlite3
from contextlib import closing
from itertools import count, cycle

import pytest
from playwright.async_api import expect

from .conftest import TIMEOUT, DemoServer, eventually
from .test_chat_rooms import PHONE, connect_again, csrf_header, cut_connection

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/ticket-board/"
NAMES = ("ada", "ben", "cleo")
numbers = count(1)


class Board:
    """The tickets and the access in a demo's database. Each test creates its own tickets."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=TIMEOUT)) as database, database:
            return database.execute(statement, values).fetchall()

    def clear(self) -> None:
        """Delete all tickets, and give all users access."""
        self.sql("DELETE FROM ticket_board_ticket")
        self.sql(
            "INSERT OR IGNORE INTO auth_user_groups (user_id, group_id) "
            "SELECT auth_user.id, auth_group.id FROM auth_user, auth_group "
            "WHERE auth_group.name = 'board' AND username IN ('ada', 'ben', 'cleo')"
        )

    def new(self, status: str = "todo") -> str:
        """Create a ticket at the end of a column; return its title."""
        number = next(numbers)
        title = f"Task {number:03}"
        self.sql(
            "INSERT INTO ticket_board_ticket (title, status, position, owner_id) "
            "SELECT ?, ?, ?, id FROM auth_user WHERE username = 'ada'",
            title,
            status,
            number,
        )
        return title

    def status(self, title: str) -> str:
        return self.sql("SELECT status FROM ticket_board_ticket WHERE title = ?", title)[0][0]


@pytest.fixture
def board(demo_server) -> Board:
    board = Board(demo_server)
    board.clear()
    return board


def panel(page, name):
    return page.locator(f".panel[data-me={name}]")


def column(page, name, status):
    return panel(page, name).locator(f".column[data-status={status}]")


def cards(page, name, status):
    return column(page, name, status).locator(".ticket .title")


def card(page, name, title):
    return panel(page, name).locator(".ticket").filter(has_text=title)


def switch(page, name):
    return page.get_by_role("switch", name=f"{name} has access")


def received(page, name):
    return panel(page, name).locator(".received")


async def ready(page):
    """Wait until all panels are subscribed and show which users have access."""
    await expect(page.locator("#connection")).to_have_text("Live")
    for name in NAMES:
        await expect(panel(page, name).locator(".connection")).to_have_text("Live")
        await expect(switch(page, name)).to_be_enabled()
    return page


async def open_board(person, path=PAGE, **options):
    return await ready(await person(None, path, **options))


async def expect_tickets(page, status, titles, names=NAMES):
    for name in names:
        await expect(cards(page, name, status)).to_have_text(titles)


async def select(page, name, title):
    ticket = card(page, name, title)
    await ticket.locator(".title").click()
    await expect(ticket.locator(".tools")).to_be_visible()
    return ticket


async def add(page, name, title):
    await panel(page, name).get_by_label("Title of a new ticket").fill(title)
    await panel(page, name).get_by_role("button", name="Add").click()


async def test_a_ticket_that_is_dragged_in_one_panel_moves_in_all(person, board):
    first, second, third = board.new(), board.new(), board.new("doing")
    page = await open_board(person)
    await expect_tickets(page, "todo", [first, second])
    await card(page, "ada", second).drag_to(card(page, "ada", third))
    await expect_tickets(page, "todo", [first])
    await expect(cards(page, "ada", "doing")).to_have_count(2)
    await expect_tickets(page, "doing", await cards(page, "ada", "doing").all_text_contents())
    await card(page, "cleo", first).drag_to(column(page, "cleo", "done").locator("h3"))
    await expect_tickets(page, "done", [first])
    assert board.status(first) == "done"


async def test_a_ticket_cannot_be_dropped_in_another_panel(person, board):
    title, other = board.new(), board.new("doing")
    page = await open_board(person)
    await card(page, "ada", title).drag_to(card(page, "ben", other))
    await add(page, "ada", "A later change")
    await expect_tickets(page, "todo", [title, "A later change"])
    await expect_tickets(page, "doing", [other])


async def test_buttons_and_arrow_keys_move_a_ticket(person, board):
    first, second = board.new(), board.new()
    page = await open_board(person)
    ticket = await select(page, "ben", first)
    await ticket.get_by_role("button", name="Down", exact=True).click()
    await expect_tickets(page, "todo", [second, first])
    await page.keyboard.press("ArrowUp")
    await expect_tickets(page, "todo", [first, second])
    await page.keyboard.press("ArrowRight")
    await expect_tickets(page, "doing", [first])
    await ticket.get_by_role("button", name="To the next column").click()
    await expect_tickets(page, "done", [first])
    await page.keyboard.press("ArrowLeft")
    await expect_tickets(page, "doing", [first])
    await page.keyboard.press("Escape")
    await expect(ticket.locator(".title")).to_be_focused()
    await expect(ticket.locator(".tools")).to_be_hidden()


async def test_tickets_are_created_renamed_and_deleted_and_markup_is_shown_as_text(person, board):
    page = await open_board(person)
    await add(page, "cleo", "Buy <b>nails</b>")
    await expect_tickets(page, "todo", ["Buy <b>nails</b>"])
    await expect(panel(page, "cleo").get_by_label("Title of a new ticket")).to_have_value("")
    ticket = await select(page, "ada", "Buy <b>nails</b>")
    await ticket.get_by_role("button", name="Edit").click()
    await ticket.get_by_label("Title").fill("Buy screws")
    await page.keyboard.press("Enter")
    await expect_tickets(page, "todo", ["Buy screws"])
    await expect(card(page, "ada", "Buy screws").locator(".title")).to_be_focused()
    await card(page, "ada", "Buy screws").locator(".title").click()
    await (await select(page, "ben", "Buy screws")).get_by_role("button", name="Delete").click()
    await expect_tickets(page, "todo", [])


async def test_a_validation_error_is_shown_in_the_panel(person, board):
    title = board.new()
    page = await open_board(person)
    problem = panel(page, "ada").locator("> .problem")
    await add(page, "ada", "x" * 81)
    await expect(problem).to_contain_text("no more than 80 characters")
    await expect(panel(page, "ada").get_by_label("Title of a new ticket")).to_have_value("x" * 81)
    ticket = await select(page, "ada", title)
    await ticket.get_by_role("button", name="Edit").click()
    await expect(problem).to_contain_text("no more than 80 characters")
    await ticket.get_by_label("Title").fill("")
    await page.keyboard.press("Enter")
    await expect(problem).to_have_text("This field may not be blank.")
    await expect(ticket.get_by_label("Title")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect_tickets(page, "todo", [title])


async def test_a_user_without_access_gets_one_error_and_no_more_messages(person, board):
    first = board.new()
    page = await open_board(person)
    await switch(page, "ben").click()
    note = "It takes effect with the next change of the list."
    await expect(panel(page, "ben").locator(".note")).to_contain_text(note)
    await expect(cards(page, "ben", "todo")).to_have_text([first])
    await add(page, "ada", "Second")
    no_access = panel(page, "ben").locator(".no-access")
    await expect(no_access).to_contain_text("Refused (403)")
    await expect(no_access).to_contain_text("You do not have permission to see this board.")
    await expect(cards(page, "ben", "todo")).to_have_count(0)
    await expect(received(page, "ben")).to_have_text("1 message received")
    await add(page, "cleo", "Third")
    await expect_tickets(page, "todo", [first, "Second", "Third"], names=["ada", "cleo"])
    await switch(page, "ben").click()
    await expect_tickets(page, "todo", [first, "Second", "Third"])
    await expect(no_access).to_be_hidden()
    await expect(received(page, "ben")).to_have_text("1 message received")  # "Third" was not sent
    await add(page, "ben", "Fourth")
    await expect_tickets(page, "todo", [first, "Second", "Third", "Fourth"])
    await expect(received(page, "ben")).to_have_text("2 messages received")


async def test_access_that_is_withdrawn_and_restored_before_a_change_has_no_effect(person, board):
    title = board.new()
    page = await open_board(person)
    await switch(page, "cleo").click()
    await expect(panel(page, "cleo").locator(".note")).not_to_be_empty()
    await switch(page, "cleo").click()
    await expect(panel(page, "cleo").locator(".note")).to_be_empty()
    await add(page, "ada", "Next")
    await expect_tickets(page, "todo", [title, "Next"])
    await expect(received(page, "cleo")).to_have_text("1 message received")


async def test_a_user_without_access_is_refused_and_all_pages_show_it(person, board):
    board.new()
    page = await open_board(person)
    await switch(page, "ada").click()
    other = await open_board(person)
    await expect(panel(other, "ada").locator(".no-access")).to_contain_text("Refused (403)")
    await expect(switch(other, "ada")).not_to_be_checked()
    await switch(other, "ada").click()
    await expect(cards(other, "ada", "todo")).to_have_count(1)
    await expect(switch(page, "ada")).to_be_checked()


async def test_before_the_first_change_the_page_shows_no_numbers(visitor, board, demo_server):
    board.new()
    page = await visitor(base_url=demo_server.url)
    monitors = []

    def connect(route):
        monitors.append(route)
        route.connect_to_server()

    await page.route_web_socket(re.compile(r"/monitor/$"), connect)
    await page.goto(PAGE)
    figures, details = page.locator("#figures"), page.locator("#details")
    await expect(figures).to_have_text("No change yet")
    await ready(page)
    for name in NAMES:
        await expect(panel(page, name).locator(".note")).to_be_empty()
        await expect(panel(page, name).locator(".no-access")).to_be_hidden()
        await expect(received(page, name)).to_have_text("0 messages received")
    for event in ("read", "told"):  # of a change that was saved before the page was opened
        data = {"event": event, "time": 1, "server": "", "queries": 1, "permitted": True}
        frame = {"action": "measured", "response_status": 200, "errors": [], "request_id": 1}
        monitors[0].send(json.dumps({**frame, "data": data}))
    other = await visitor(base_url=demo_server.url)
    await other.goto(PAGE)
    await switch(await ready(other), "ben").click()  # no change of a ticket; it follows the frames
    await expect(panel(page, "ben").locator(".note")).not_to_be_empty()
    await expect(figures).to_have_text("No change yet")
    await expect(details).to_have_text(re.compile(r"^Change a ticket to see \D*$"))


async def test_the_page_shows_how_many_queries_a_change_needs(person, board):
    title = board.new()
    page = await open_board(person)
    figures, details = page.locator("#figures"), page.locator("#details")
    statuses = cycle(["doing", "done"])  # each drag is a change

    async def measured():
        """Pages of other tests may still be connected: then there are more subscribers."""
        await card(page, "ada", title).drag_to(column(page, "ada", next(statuses)).locator("h3"))
        await expect(details).to_contain_text("to check permissions")
        return await figures.text_content() == "1 save · 3 subscribers · 5 queries"

    await eventually(measured)
    await expect(details).to_have_text(
        f"“{title}” was changed. Queries: 1 to save it, 1 to read lists, 3 to check permissions."
    )
    await (await select(page, "ben", title)).get_by_role("button", name="Delete").click()
    await expect(details).to_contain_text("was deleted")
    await expect(figures).to_have_text("1 save · 3 subscribers · 6 queries")


async def test_a_delivery_that_is_told_before_its_save_is_counted(visitor, board, demo_server):
    title = board.new()
    page = await visitor(base_url=demo_server.url)
    held = []

    def hold_saved(route):
        server = route.connect_to_server()

        def forward(frame):
            if '"saved"' in frame:
                held.append(frame)
            else:
                route.send(frame)
                if '"told"' in frame:
                    while held:
                        route.send(held.pop())

        server.on_message(forward)

    await page.route_web_socket(re.compile(r"/monitor/$"), hold_saved)
    await page.goto(PAGE)
    await ready(page)
    await (await select(page, "ada", title)).get_by_role("button", name="Delete").click()
    subscribers = re.compile(r"1 save · [1-9]\d* subscribers?")  # of other tests too
    await expect(page.locator("#figures")).to_have_text(subscribers)


async def test_a_list_that_is_read_before_its_save_is_told_is_counted(visitor, demo_server):
    page = await visitor(base_url=demo_server.url)
    monitors = []

    def connect(route):
        monitors.append(route)
        route.connect_to_server()

    def measured(event, time, **values):
        data = {"event": event, "time": time, "server": "", "queries": 1, **values}
        frame = {"action": "measured", "response_status": 200, "errors": [], "request_id": 1}
        monitors[0].send(json.dumps(frame | {"data": data}))

    await page.route_web_socket(re.compile(r"/monitor/$"), connect)
    await page.goto(PAGE)
    await ready(page)
    saved = {"created": False, "deleted": False, "save_queries": 1}
    start = 4e9  # later than what other tests change
    measured("saved", start, title="First", **saved)
    measured("read", start + 1)
    measured("read", start + 60)  # of the second one
    measured("saved", start + 59, title="Second", **saved)
    measured("read", start + 61)
    details = (
        "“Second” was changed. Queries: 1 to save it, 2 to read lists, 0 to check permissions."
    )
    await expect(page.locator("#details")).to_have_text(details)


async def test_a_change_in_the_admin_appears_on_the_board(person, visitor, board, demo_server):
    title = board.new()
    page = await open_board(person)
    admin = await visitor(base_url=demo_server.url)
    [(pk, owner)] = board.sql("SELECT id, owner_id FROM ticket_board_ticket WHERE title = ?", title)
    await admin.goto("/login/")
    await admin.get_by_label("Name").fill("admin")
    await admin.get_by_label("Password").fill("demo")
    await admin.get_by_role("button", name="Log in", exact=True).click()
    await admin.wait_for_url("**/")
    saved = await admin.request.post(
        f"/admin/ticket_board/ticket/{pk}/change/",
        form={"title": "By the admin", "status": "done", "position": 1, "owner": owner},
        headers=await csrf_header(admin),
    )
    assert saved.url.endswith("/admin/ticket_board/ticket/")  # otherwise the form has errors
    await expect_tickets(page, "done", ["By the admin"])


async def test_a_board_shows_missed_changes_after_a_reconnect(person, board, demo_server):
    title = board.new()
    page = await open_board(person)
    await expect_tickets(page, "todo", [title])
    demo_server.stop()
    await expect(page.locator("#connection")).not_to_have_text("Live")
    later = board.new()
    demo_server.start()
    await expect_tickets(page, "todo", [title, later])
    await add(page, "ada", "After all")
    await expect_tickets(page, "todo", [title, later, "After all"])


def filters(page, name):
    return panel(page, name).get_by_role("search")


async def test_each_person_has_filters_and_a_ticket_enters_and_leaves_the_lists_as_it_changes(
    person, board
):
    first, second = board.new(), board.new()  # ada's
    page, other = await open_board(person), await open_board(person)
    await filters(page, "ada").get_by_label("Open").check()
    await filters(page, "ben").get_by_label("Mine").check()
    await filters(other, "cleo").get_by_label("Search").fill("soup")
    await expect_tickets(page, "todo", [], names=["ben"])
    await expect_tickets(other, "todo", [], names=["cleo"])
    await expect_tickets(page, "todo", [first, second], names=["ada", "cleo"])
    await add(page, "ben", "Cook soup")
    await expect_tickets(page, "todo", ["Cook soup"], names=["ben"])
    await expect_tickets(other, "todo", ["Cook soup"], names=["cleo"])
    ticket = await select(other, "ada", "Cook soup")
    for status in ("doing", "done"):
        await ticket.get_by_role("button", name="To the next column").click()
        await expect_tickets(other, status, ["Cook soup"], names=["ada"])
    await expect_tickets(page, "todo", [first, second], names=["ada"])
    await expect_tickets(page, "done", [], names=["ada"])
    await expect_tickets(page, "done", ["Cook soup"], names=["ben", "cleo"])
    ticket = await select(page, "ben", "Cook soup")
    await ticket.get_by_role("button", name="Edit").click()
    await ticket.get_by_label("Title").fill("Cook tea")
    await other.bring_to_front()
    await page.keyboard.press("Enter")
    await expect_tickets(other, "done", [], names=["cleo"])
    await expect_tickets(other, "done", ["Cook tea"], names=["ada", "ben"])
    await filters(other, "cleo").get_by_label("Search").fill("")
    await expect_tickets(other, "done", ["Cook tea"])
    await expect_tickets(other, "todo", [first, second])


async def test_lists_that_are_equal_are_read_once_and_a_list_without_the_ticket_is_not_read(
    person, board
):
    title = board.new()  # ada's
    page = await open_board(person)
    for name in ("ben", "cleo"):
        await filters(page, name).get_by_label("Mine").check()
        await expect_tickets(page, "todo", [], names=[name])
    figures = page.locator("#figures")

    async def measured():
        """Pages of other tests may still be connected: then there are more subscribers."""
        await add(page, "ada", "Another one")
        await expect(figures).to_contain_text("subscriber")
        return await figures.text_content() == "1 save · 1 subscriber · 4 queries"

    await eventually(measured)
    await expect(cards(page, "ada", "todo").first).to_have_text(title)
    assert await received(page, "ben").text_content() == "0 messages received"


async def test_after_a_cut_connection_a_filtered_list_equals_the_database(person, board):
    first, second = board.new(), board.new()
    page, other = await open_board(person), await open_board(person)
    await filters(page, "ada").get_by_label("Open").check()
    await cut_connection(page)
    await card(other, "ben", first).drag_to(column(other, "ben", "done").locator("h3"))
    await add(other, "ada", "Third")
    await expect_tickets(other, "todo", [second, "Third"])
    await expect_tickets(page, "todo", [first, second], names=["ada"])
    await connect_again(page)
    await expect_tickets(page, "todo", [second, "Third"])
    await expect_tickets(page, "done", [], names=["ada"])
    open_titles = board.sql(
        "SELECT title FROM ticket_board_ticket WHERE status <> 'done' ORDER BY position, id"
    )
    assert await panel(page, "ada").locator(".ticket .title").all_text_contents() == [
        title for (title,) in open_titles
    ]


async def test_a_panel_receives_the_changes_that_it_missed_while_its_connection_was_cut(
    person, board
):
    first, second = board.new(), board.new()
    page = await open_board(person)
    await expect_tickets(page, "todo", [first, second])
    await cut_connection(page)
    await card(page, "ben", first).drag_to(column(page, "ben", "doing").locator("h3"))
    await add(page, "ben", "Third")
    await expect_tickets(page, "todo", [second, "Third"], names=["ben", "cleo"])
    await expect_tickets(page, "todo", [first, second], names=["ada"])
    await connect_again(page)
    await expect(page.locator("#outage")).to_have_text("Connected again.")
    await expect_tickets(page, "todo", [second, "Third"])
    await expect_tickets(page, "doing", [first])


FORGED = """(token) => new Promise((resolve) => {
    const socket = new WebSocket(location.href.replace("http", "ws"));
    socket.onopen = () => {
        socket.send(JSON.stringify({action: "authenticate", request_id: 1, token}));
        socket.send(JSON.stringify({action: "subscribe_list", request_id: 2}));
    };
    const statuses = [];
    socket.onmessage = ({ data }) => {
        const { response_status } = JSON.parse(data);
        if (response_status) statuses.push(response_status); // not the position in a history
        if (statuses.length === 2) resolve(statuses);
    };
})"""


async def test_a_forged_token_is_refused(person, board):
    page = await open_board(person)
    assert await page.evaluate(FORGED, "ImFkYSI:1tKzzz:forged") == [401, 401]
    [ada, *_] = await page.evaluate("JSON.parse(document.getElementById('people').textContent)")
    assert await page.evaluate(FORGED, ada["token"]) == [200, 201]


async def test_the_page_fits_on_a_phone_and_every_control_has_a_name(person, board):
    title = board.new()
    page = await open_board(person, viewport=PHONE, has_touch=True)
    await select(page, "ada", title)
    for summary in await page.locator("details summary").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for role in ("button", "link", "textbox", "switch"):
        for control in await page.get_by_role(role).all():
            assert await control.evaluate("it => it.ariaLabel || it.textContent.trim()"), control
