"""People play at a table, in real browsers, on a real server."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle

import pytest
from playwright.async_api import expect

from .conftest import PATIENCE, DemoServer, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

STILL = {"reduced_motion": "reduce"}
PHONE = {"width": 390, "height": 844}
PLACES = {"ada": 1, "ben": 2, "cleo": 3}  # where they sit in these tests


class Tables:
    """The tables in the demo's database. Each test makes its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as database, database:
            return database.execute(statement, values).fetchall()

    def new(self, turn: int | None = None, total: int = 0, **scores: int) -> str:
        """The path of a new one with four seats, where those sit who have scores."""
        [(pk,)] = self.sql(
            "INSERT INTO table_game (name, number, turn, total, rolls, news) "
            "VALUES ('A table', 0, ?, ?, 0, '') RETURNING id",
            turn,
            total,
        )
        for position in range(1, 5):
            self.sql(
                "INSERT INTO table_seat (game_id, position, score) VALUES (?, ?, 0)", pk, position
            )
        for name, score in scores.items():
            self.sql(
                "UPDATE table_seat SET score = ?, user_id = "
                "(SELECT id FROM auth_user WHERE username = ?) WHERE game_id = ? AND position = ?",
                score,
                name,
                pk,
                PLACES[name],
            )
        return f"/table/{pk}/"

    def sockets(self, path: str) -> int:
        """How many connections it has."""
        return self.sql("SELECT COUNT(*) FROM sockets_socket WHERE path = ?", path)[0][0]


@pytest.fixture
def tables(demo_server) -> Tables:
    return Tables(demo_server)


def button(page, name):
    return page.get_by_role("button", name=name)


def seat(page, position):
    return page.get_by_role("listitem", name=f"Seat {position}")


def messages(page):
    return page.locator("#messages li")


async def live(page):
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.locator("#table")).to_have_attribute("data-number", re.compile(r"\d+"))


async def come(person, path, *names, **options) -> list:
    """Pages of `names` at a table, without waiting for the die to come to rest."""
    pages = [await person(name, path, **STILL, **options) for name in names]
    for page in pages:
        await live(page)
    return pages


async def points(page, name) -> int:
    return int(await seat(page, PLACES[name]).locator("b").text_content())


async def number(page) -> str:
    return await page.locator("#table").get_attribute("data-number")


async def act(pages, page, name) -> None:
    """Press a button, and wait until all pages show what has come of it."""
    before = [await number(each) for each in pages]
    await button(page, name).click()
    for each, old in zip(pages, before, strict=True):
        await expect(each.locator("#table")).not_to_have_attribute("data-number", old)


async def say(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await button(page, "Send").click()


async def play_until_somebody_scores(pages: dict) -> str:
    """Everybody rolls once, and holds unless it was a 1. Returns the name of who scored."""
    names = cycle(pages)
    while True:
        name = next(names)
        page = pages[name]
        await act(pages.values(), page, "Roll")
        if await button(page, "Hold").is_enabled():
            total = await page.locator("#total").text_content()
            await act(pages.values(), page, "Hold")
            for each in pages.values():
                await expect(each.locator("#news")).to_have_text(f"{name} holds {total}.")
                await expect(seat(each, PLACES[name]).locator("b")).to_have_text(total)
            return name


async def test_two_people_sit_down_and_play(person, tables):
    ada, ben = pages = await come(person, tables.new(), "ada", "ben")
    await seat(ada, 1).get_by_role("button", name="Sit down").click()
    await expect(button(ada, "Deal")).to_be_disabled()  # nobody else plays
    await seat(ben, 2).get_by_role("button", name="Sit down").click()
    await expect(button(ada, "Deal")).to_be_enabled()
    await act(pages, ada, "Deal")
    await expect(seat(ben, 1)).to_have_attribute("aria-current", "true")
    await expect(button(ben, "Roll")).to_be_disabled()
    scorer = await play_until_somebody_scores({"ada": ada, "ben": ben})
    assert await points(ada, scorer) == await points(ben, scorer) > 1


async def test_the_die_comes_to_rest_at_what_was_rolled(person, tables):
    ada = await person("ada", tables.new(turn=1, ada=0, ben=0))  # it moves here
    await live(ada)
    await button(ada, "Roll").click()
    await expect(ada.locator("#news")).to_have_text(re.compile("^ada rolls a [1-6]"))
    face = re.search(r"\d", await ada.locator("#news").text_content())[0]
    await expect(ada.locator("#die")).to_have_attribute("data-face", face)
    pips = ada.locator("#die circle.on")
    await expect(pips).to_have_count(int(face))


async def test_who_reaches_fifty_wins_and_the_next_game_begins(person, tables):
    path = tables.new(turn=1, total=6, ada=45, ben=49)
    ada, ben = pages = await come(person, path, "ada", "ben")
    await expect(ada.locator("#prompt")).to_have_text("Hold, and you win!")
    await act(pages, ada, "Hold")
    for page in pages:
        await expect(page.locator("#news")).to_have_text("ada wins with 51 points!")
        await expect(seat(page, 1)).to_contain_text("Winner")
    await act(pages, ben, "Deal again")
    for page in pages:
        assert [await points(page, "ada"), await points(page, "ben")] == [0, 0]
        await expect(seat(page, 2)).to_have_attribute("aria-current", "true")


async def test_the_keyboard_plays_but_not_while_one_writes(person, tables):
    ada, _ben = pages = await come(person, tables.new(turn=1, total=7, ada=0, ben=0), "ada", "ben")
    await ada.get_by_label("Message", exact=True).press_sequentially("hr")
    await expect(ada.get_by_label("Message", exact=True)).to_have_value("hr")
    await ada.get_by_label("Message", exact=True).blur()
    await ada.keyboard.press("h")
    for page in pages:
        await expect(page.locator("#news")).to_have_text("ada holds 7.")


async def test_people_talk_and_one_leaves(person, tables):
    ada, ben = await come(person, tables.new(), "ada", "ben")
    await expect(ada.locator("#here li")).to_have_text(["ada", "ben"])
    await say(ada, "Is there <b>tea</b>?")
    await expect(messages(ben)).to_have_text(["adaIs there <b>tea</b>?"])
    await ben.goto("/")
    await expect(messages(ada).last).to_have_text("User ben left chat.")
    await expect(ada.locator("#here li")).to_have_text(["ada"])


async def test_who_closes_one_of_two_tabs_has_not_left(person, tables):
    path = tables.new()
    ada, ben = await come(person, path, "ada", "ben")
    second = await ben.context.new_page()
    await second.goto(path)
    await live(second)

    def two_are_left():
        return tables.sockets(path) == 2

    await second.close()
    await eventually(two_are_left)
    await say(ben, "I am still here.")
    await expect(messages(ada).last).to_have_text("benI am still here.")
    await ben.close()
    await expect(messages(ada)).to_have_text(["benI am still here.", "User ben left chat."])


async def test_a_visitor_watches_and_cannot_play(person, tables):
    path = tables.new(turn=1, total=4, ada=0, ben=0)
    ada, visitor = await come(person, path, "ada", None)
    await expect(ada.locator("#here li")).to_have_text(["ada", "1 guest"])
    for name in ("Roll", "Hold", "Deal", "Sit down", "Send"):
        await expect(button(visitor, name)).to_have_count(0)
    await force(visitor, "hold")
    await expect(visitor.get_by_role("alert")).to_have_text(
        "You are watching. Log in to take part."
    )
    await expect(ada.locator("#total")).to_have_text("4")
    await visitor.get_by_role("link", name="Log in to play").click()
    await visitor.wait_for_url(re.compile(r"/login/\?next=/table/"))


@pytest.mark.parametrize(
    ("name", "what", "why"),
    [
        ("cleo", "roll", "Sit down first."),
        ("ben", "roll", "It is the turn of ada."),
        ("ben", "hold", "It is the turn of ada."),
        ("ada", "deal", "A game is on. Play it to its end."),
        ("ada", "hold", "There is nothing to hold yet. Roll first."),
    ],
)
async def test_who_breaks_a_rule_is_told_which(person, tables, name, what, why):
    path = tables.new(turn=1, ada=12, ben=0)
    breaker, other = await come(person, path, name, "ada")
    await force(breaker, what)
    await expect(breaker.get_by_role("alert")).to_have_text(why)
    await expect(other.get_by_role("alert")).to_have_text("")
    assert await points(other, "ada") == 12


async def force(page, what) -> None:
    """Press a button that the page does not offer."""
    await page.locator(f"#{what}").evaluate("it => { it.disabled = false; it.click(); }")


async def test_a_player_who_stands_up_ends_a_game_of_two(person, tables):
    path = tables.new(turn=1, total=5, ada=20, ben=10)
    ada, ben = pages = await come(person, path, "ada", "ben")
    await act(pages, ben, "Stand up")
    await expect(ada.locator("#prompt")).to_have_text("Waiting for somebody to play with.")
    await expect(seat(ada, 2)).to_contain_text("Free seat")


async def test_who_has_gone_does_not_hold_up_the_others(person, tables):
    path = tables.new(turn=2, total=9, ada=20, ben=10)
    ada, cleo = pages = await come(person, path, "ada", "cleo")
    await expect(ada.locator("#prompt")).to_have_text("ben has gone.")
    await act(pages, ada, "Hold for ben")
    assert await points(cleo, "ben") == 19  # nothing is lost
    await expect(button(ada, "Roll")).to_be_enabled()
    await act(pages, cleo, "Take this seat")
    await expect(seat(ada, 2)).to_contain_text("cleo")


async def test_an_older_state_that_arrives_late_is_ignored(person, tables):
    heard, lines = [], []

    def between(socket):
        server = socket.connect_to_server()
        lines.append(socket)

        def note(frame):
            heard.append(frame)
            socket.send(frame)

        server.on_message(note)

    path = tables.new(turn=1, total=8, ada=0, ben=0)
    ada = await person("ada", "/", **STILL)
    await ada.route_web_socket(re.compile("/table/"), between)
    await ada.goto(path)
    await live(ada)
    await act([ada], ada, "Hold")
    states = [frame for frame in heard if json.loads(frame)["type"] == "GAMESTATE"]
    assert [json.loads(state)["total"] for state in states] == [8, 0]
    lines[-1].send(states[0])
    lines[-1].send(json.dumps({"type": "CHAT", "text": "The old state was before this."}))
    await expect(messages(ada).last).to_have_text("The old state was before this.")
    await expect(ada.locator("#news")).to_have_text("ada holds 8.")
    assert await number(ada) == str(json.loads(states[1])["number"])


async def test_the_game_goes_on_after_the_server_was_away(person, tables, demo_server):
    path = tables.new(turn=1, total=8, ada=0, ben=0)
    pages = ada, ben = await come(person, path, "ada", "ben")
    demo_server.stop()
    for page in pages:
        await expect(page.locator("#connection")).to_have_text(re.compile("lost|Connecting"))
        assert await page.locator("#desk").evaluate("it => it.inert")
    demo_server.start()
    for page in pages:
        await live(page)
        await expect(page.locator("#here li")).to_have_text(["ada", "ben"])
    await act(pages, ada, "Hold")
    await expect(button(ben, "Roll")).to_be_enabled()


async def test_the_words_of_the_protocol(person, tables):
    ada, *_ = await come(person, tables.new(), "ada")
    answer = """([type, answer]) => import("rest_channels").then(({ SocketClient }) =>
        new Promise((resolve) => {
            const socket = new SocketClient(location.pathname, { dialect: "type" });
            socket.on(answer, (frame) => { socket.close(); resolve(frame); });
            socket.send(type);
        }))"""
    assert (await ada.evaluate(answer, ["PING", "PONG"]))["ts"] > 0
    assert (await ada.evaluate(answer, ["HELLO", "GOT_HELLO"]))["path"] in ada.url
    unknown = await ada.evaluate(answer, ["TEA", "ERROR"])
    assert unknown["details"] == "Got unknown message: {'type': 'TEA'}"
    invalid = await ada.evaluate(answer, ["GAME_ACTION_TEA", "ERROR"])
    assert invalid["errors"] == [{"type": ['"GAME_ACTION_TEA" is not a valid choice.']}]


async def test_a_table_that_does_not_exist_is_no_page(person):
    page = await person("ada", "/")
    response = await page.request.get("/table/99999/")
    assert response.status == 404


async def test_it_fits_a_phone(person, tables):
    path = tables.new(turn=1, total=21, ada=22, ben=31, cleo=9)
    [ada] = await come(person, path, "ada", viewport=PHONE, has_touch=True)
    for source in await ada.locator("details summary").all():
        await source.click()
    assert await ada.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


class TestCluster:
    """Two server processes behind one address."""

    @pytest.fixture
    def demo_process(self, tmp_path, demo_database) -> Iterator[DemoServer]:
        cluster = DemoServer("scripts.serve_cluster", tmp_path, demo_database)
        yield cluster
        cluster.stop()

    async def test_people_on_two_servers_play_and_talk(self, person, tables):
        path = tables.new(turn=1, ada=0, ben=0)
        ada, ben = await come(person, path, "ada", "ben")
        async with asyncio.timeout(PATIENCE):
            while await server_of(ben) == await server_of(ada):
                await ben.reload()
        for page in (ada, ben):
            await expect(page.locator("#here li")).to_have_text(["ada", "ben"])
        await play_until_somebody_scores({"ada": ada, "ben": ben})
        await say(ben, "Well played.")
        await expect(messages(ada).last).to_have_text("benWell played.")
        await ben.goto("/")
        await expect(messages(ada).last).to_have_text("User ben left chat.")


async def server_of(page) -> str:
    """Which server process the page's socket is connected to."""
    await live(page)
    return await page.locator("#server").text_content()
