"""Users play the dice game."""

import json
import re
import sqlite3
from contextlib import closing
from itertools import cycle

import pytest
from playwright.async_api import expect

from .conftest import TIMEOUT, DemoServer, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_MOTION = {"reduced_motion": "reduce"}
PHONE = {"width": 390, "height": 844}
SEATS = {"ada": 1, "ben": 2, "cleo": 3}  # the position of each user in these tests


class Games:
    """The games in the demo's database. Each test creates its own."""

    def __init__(self, server: DemoServer) -> None:
        self.file = server.environ["DEMO_DB"]

    def sql(self, statement: str, *values: object) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=TIMEOUT)) as database, database:
            return database.execute(statement, values).fetchall()

    def new(self, turn: int | None = None, total: int = 0, **scores: int) -> str:
        """Create a game with four seats; return its path. `scores` are by user with a seat."""
        [(pk,)] = self.sql(
            "INSERT INTO dice_game_game (name, number, turn, total, rolls, news) "
            "VALUES ('A game', 0, ?, ?, 0, '') RETURNING id",
            turn,
            total,
        )
        for position in range(1, 5):
            self.sql(
                "INSERT INTO dice_game_seat (game_id, position, score) VALUES (?, ?, 0)",
                pk,
                position,
            )
        for name, score in scores.items():
            self.sql(
                "UPDATE dice_game_seat SET score = ?, user_id = "
                "(SELECT id FROM auth_user WHERE username = ?) WHERE game_id = ? AND position = ?",
                score,
                name,
                pk,
                SEATS[name],
            )
        return f"/dice-game/{pk}/"

    def sockets(self, path: str) -> int:
        """Return the number of its connections."""
        return self.sql("SELECT COUNT(*) FROM sockets_socket WHERE path = ?", path)[0][0]


@pytest.fixture
def games(demo_server) -> Games:
    return Games(demo_server)


def button(page, name):
    return page.get_by_role("button", name=name)


def seat(page, position):
    return page.get_by_role("listitem", name=f"Seat {position}")


def messages(page):
    return page.locator("#messages li")


async def live(page):
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.locator("#game")).to_have_attribute("data-number", re.compile(r"\d+"))


async def open_game(person, path, *names, **options) -> list:
    """Open a game as each of `names`, without animations."""
    pages = [await person(name, path, **NO_MOTION, **options) for name in names]
    for page in pages:
        await live(page)
    return pages


async def points(page, name) -> int:
    return int(await seat(page, SEATS[name]).locator("b").text_content())


async def number(page) -> str:
    return await page.locator("#game").get_attribute("data-number")


async def press(pages, page, name) -> None:
    """Press a button and wait until all pages show the result."""
    before = [await number(each) for each in pages]
    await button(page, name).click()
    for each, old in zip(pages, before, strict=True):
        await expect(each.locator("#game")).not_to_have_attribute("data-number", old)


async def send_message(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await button(page, "Send").click()


async def play_until_a_player_scores(pages: dict) -> str:
    """Each player rolls once and holds, unless it was a 1. Return the first player who scored."""
    names = cycle(pages)
    while True:
        name = next(names)
        page = pages[name]
        await press(pages.values(), page, "Roll")
        if await button(page, "Hold").is_enabled():
            total = await page.locator("#total").text_content()
            await press(pages.values(), page, "Hold")
            for each in pages.values():
                await expect(each.locator("#news")).to_have_text(f"{name} holds {total}.")
                await expect(seat(each, SEATS[name]).locator("b")).to_have_text(total)
            return name


async def test_two_users_sit_down_and_play(person, games):
    ada, ben = pages = await open_game(person, games.new(), "ada", "ben")
    await seat(ada, 1).get_by_role("button", name="Sit down").click()
    await expect(button(ada, "Start game")).to_be_disabled()  # there is no second player
    await seat(ben, 2).get_by_role("button", name="Sit down").click()
    await expect(button(ada, "Start game")).to_be_enabled()
    await press(pages, ada, "Start game")
    await expect(seat(ben, 1)).to_have_attribute("aria-current", "true")
    await expect(button(ben, "Roll")).to_be_disabled()
    scorer = await play_until_a_player_scores({"ada": ada, "ben": ben})
    assert await points(ada, scorer) == await points(ben, scorer) > 1


async def test_the_die_shows_the_number_that_was_rolled(person, games):
    ada = await person("ada", games.new(turn=1, ada=0, ben=0))  # with animations
    await live(ada)
    await button(ada, "Roll").click()
    await expect(ada.locator("#news")).to_have_text(re.compile("^ada rolls a [1-6]"))
    face = re.search(r"\d", await ada.locator("#news").text_content())[0]
    await expect(ada.locator("#die")).to_have_attribute("data-face", face)
    pips = ada.locator("#die circle.on")
    await expect(pips).to_have_count(int(face))


async def test_a_player_wins_with_fifty_points_and_a_new_game_starts(person, games):
    path = games.new(turn=1, total=6, ada=45, ben=49)
    ada, ben = pages = await open_game(person, path, "ada", "ben")
    await expect(ada.locator("#prompt")).to_have_text("Hold to win.")
    await press(pages, ada, "Hold")
    for page in pages:
        await expect(page.locator("#news")).to_have_text("ada wins with 51 points!")
        await expect(seat(page, 1)).to_contain_text("Winner")
    await press(pages, ben, "New game")
    for page in pages:
        assert [await points(page, "ada"), await points(page, "ben")] == [0, 0]
        await expect(seat(page, 2)).to_have_attribute("aria-current", "true")


async def test_the_keys_r_and_h_play_except_in_the_message_field(person, games):
    path = games.new(turn=1, total=7, ada=0, ben=0)
    ada, _ben = pages = await open_game(person, path, "ada", "ben")
    await ada.get_by_label("Message", exact=True).press_sequentially("hr")
    await expect(ada.get_by_label("Message", exact=True)).to_have_value("hr")
    await ada.get_by_label("Message", exact=True).blur()
    await ada.keyboard.press("h")
    for page in pages:
        await expect(page.locator("#news")).to_have_text("ada holds 7.")


async def test_users_chat_and_see_when_another_user_leaves(person, games):
    ada, ben = await open_game(person, games.new(), "ada", "ben")
    await expect(ada.locator("#present li")).to_have_text(["ada", "ben"])
    await send_message(ada, "Is there <b>tea</b>?")
    await expect(messages(ben)).to_have_text(["adaIs there <b>tea</b>?"])
    await ben.goto("/")
    await expect(messages(ada).last).to_have_text("User ben left chat.")
    await expect(ada.locator("#present li")).to_have_text(["ada"])


async def test_a_user_who_closes_one_of_two_tabs_has_not_left(person, games):
    path = games.new()
    ada, ben = await open_game(person, path, "ada", "ben")
    second = await ben.context.new_page()
    await second.goto(path)
    await live(second)

    def two_connections_remain():
        return games.sockets(path) == 2

    await second.close()
    await eventually(two_connections_remain)
    await send_message(ben, "I am still here.")
    await expect(messages(ada).last).to_have_text("benI am still here.")
    await ben.close()
    await expect(messages(ada)).to_have_text(["benI am still here.", "User ben left chat."])


async def test_a_guest_can_watch_and_cannot_play(person, games):
    path = games.new(turn=1, total=4, ada=0, ben=0)
    ada, guest = await open_game(person, path, "ada", None)
    await expect(ada.locator("#present li")).to_have_text(["ada", "1 guest"])
    for name in ("Roll", "Hold", "Start game", "Sit down", "Send"):
        await expect(button(guest, name)).to_have_count(0)
    await force(guest, "hold")
    await expect(guest.get_by_role("alert")).to_have_text("You are a spectator. Log in to play.")
    await expect(ada.locator("#total")).to_have_text("4")
    await guest.get_by_role("link", name="Log in to play").click()
    await guest.wait_for_url(re.compile(r"/login/\?next=/dice-game/"))


@pytest.mark.parametrize(
    ("name", "action", "error"),
    [
        ("cleo", "roll", "Sit down first."),
        ("ben", "roll", "It is ada's turn."),
        ("ben", "hold", "It is ada's turn."),
        ("ada", "deal", "A game is running. Finish it first."),
        ("ada", "hold", "You have no points to hold yet. Roll first."),
    ],
)
async def test_a_move_against_the_rules_is_refused_with_an_error(
    person, games, name, action, error
):
    path = games.new(turn=1, ada=12, ben=0)
    player, other = await open_game(person, path, name, "ada")
    await force(player, action)
    await expect(player.get_by_role("alert")).to_have_text(error)
    await expect(other.get_by_role("alert")).to_have_text("")
    assert await points(other, "ada") == 12


async def force(page, action) -> None:
    """Press a button that is disabled or hidden."""
    await page.locator(f"#{action}").evaluate("it => { it.disabled = false; it.click(); }")


async def test_a_game_of_two_ends_when_a_player_stands_up(person, games):
    path = games.new(turn=1, total=5, ada=20, ben=10)
    ada, ben = pages = await open_game(person, path, "ada", "ben")
    await press(pages, ben, "Stand up")
    await expect(ada.locator("#prompt")).to_have_text("Waiting for another player.")
    await expect(seat(ada, 2)).to_contain_text("Free seat")


async def test_an_absent_player_does_not_block_the_game(person, games):
    path = games.new(turn=2, total=9, ada=20, ben=10)
    ada, cleo = pages = await open_game(person, path, "ada", "cleo")
    await expect(ada.locator("#prompt")).to_have_text("ben is away.")
    await press(pages, ada, "Hold for ben")
    assert await points(cleo, "ben") == 19  # with the points of the turn
    await expect(button(ada, "Roll")).to_be_enabled()
    await press(pages, cleo, "Take this seat")
    await expect(seat(ada, 2)).to_contain_text("cleo")


async def test_an_old_state_that_arrives_late_is_ignored(person, games):
    received, connections = [], []

    def proxy(socket):
        server = socket.connect_to_server()
        connections.append(socket)

        def on_received(frame):
            received.append(frame)
            socket.send(frame)

        server.on_message(on_received)

    path = games.new(turn=1, total=8, ada=0, ben=0)
    ada = await person("ada", "/", **NO_MOTION)
    await ada.route_web_socket(re.compile("/dice-game/"), proxy)
    await ada.goto(path)
    await live(ada)
    await press([ada], ada, "Hold")
    states = [frame for frame in received if json.loads(frame)["type"] == "GAMESTATE"]
    assert [json.loads(state)["total"] for state in states] == [8, 0]
    connections[-1].send(states[0])
    connections[-1].send(json.dumps({"type": "CHAT", "text": "After the old state."}))
    await expect(messages(ada).last).to_have_text("After the old state.")
    await expect(ada.locator("#news")).to_have_text("ada holds 8.")
    assert await number(ada) == str(json.loads(states[1])["number"])


async def test_the_game_continues_after_a_server_restart(person, games, demo_server):
    path = games.new(turn=1, total=8, ada=0, ben=0)
    pages = ada, ben = await open_game(person, path, "ada", "ben")
    demo_server.stop()
    for page in pages:
        await expect(page.locator("#connection")).to_have_text(re.compile("lost|Connecting"))
        assert await page.locator("#workspace").evaluate("it => it.inert")
    demo_server.start()
    for page in pages:
        await live(page)
        await expect(page.locator("#present li")).to_have_text(["ada", "ben"])
    await press(pages, ada, "Hold")
    await expect(button(ben, "Roll")).to_be_enabled()


async def test_the_server_answers_each_message_type(person, games):
    ada, *_ = await open_game(person, games.new(), "ada")
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


async def test_a_game_that_does_not_exist_is_not_found(person):
    page = await person("ada", "/")
    response = await page.request.get("/dice-game/99999/")
    assert response.status == 404


async def test_the_page_fits_on_a_phone(person, games):
    path = games.new(turn=1, total=21, ada=22, ben=31, cleo=9)
    [ada] = await open_game(person, path, "ada", viewport=PHONE, has_touch=True)
    for source in await ada.locator("details summary").all():
        await source.click()
    assert await ada.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
