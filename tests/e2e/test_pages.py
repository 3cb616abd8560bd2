"""The Channels tutorial, and tests that all pages have in common."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = [
    "/",
    "/login/",
    "/sequencer/",
    "/sequencer/1/",
    "/sequencer/3/",
    "/channels-tutorial/lobby/",
    "/dice-game/1/",
    "/plants/",
    "/chat-rooms/",
    "/chat-rooms/1/",
    "/ticket-board/",
    "/shopping-list/",
    "/files/docs/README.md",
    "/files/demo/live.py",
]
KITCHEN = "/channels-tutorial/kitchen/"
PHONE = {"width": 390, "height": 844}


IS_CONNECTED_OR_REFUSED = """() => {
    const connection = document.getElementById("connection");
    return !connection || ["ready", "closed"].includes(connection.dataset.state);
}"""
UNNAMED = """controls => controls
    .filter((it) => !(it.ariaLabel || it.labels?.length || it.textContent.trim()))
    .map((it) => it.outerHTML)"""


async def send_message(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def test_two_users_chat_in_a_room(person):
    ada, ben = await person("ada", KITCHEN), await person("ben", KITCHEN)
    await expect(ben.locator("#connection")).to_have_text("Live")
    await expect(ada.locator("#connection")).to_have_text("Live")
    await send_message(ada, "Is there <b>tea</b>?")
    await expect(ben.locator("#messages li")).to_have_text(["adaIs there <b>tea</b>?"])
    await send_message(ben, "Always.")
    await expect(ada.locator("#messages li").last).to_have_text("benAlways.")


async def test_a_message_does_not_appear_in_another_room(person):
    ada, ben = await person("ada", KITCHEN), await person("ben", "/channels-tutorial/attic/")
    await expect(ben.locator("#connection")).to_have_text("Live")
    await send_message(ada, "Anybody down here?")
    await expect(ada.locator("#messages li")).to_have_count(1)
    await send_message(ben, "Nice view.")
    await expect(ben.locator("#messages li")).to_have_text(["benNice view."])


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_scrolls_sideways_on_a_phone(person, path):
    page = await person("cleo", path, viewport=PHONE, has_touch=True)
    await page.wait_for_function(IS_CONNECTED_OR_REFUSED)
    for source in await page.locator("details summary").all():
        await source.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


async def test_numbers_of_a_table_and_their_units_are_on_one_line_on_a_phone(person):
    page = await person("ada", "/files/docs/performance.md", viewport=PHONE)
    table = page.locator(".document table").first
    lines = await table.locator("td.right").evaluate_all("""all => all.map((it) => {
        const range = document.createRange();
        range.selectNodeContents(it);
        return range.getClientRects().length;
    })""")
    assert set(lines) == {1}
    assert await table.evaluate("it => it.scrollWidth <= it.clientWidth")


@pytest.mark.parametrize("path", PAGES)
async def test_every_control_has_a_name(person, path):
    page = await person("ada", path)
    await page.wait_for_function(IS_CONNECTED_OR_REFUSED)
    for role in ("button", "link", "textbox", "slider"):
        assert await page.get_by_role(role).evaluate_all(UNNAMED) == []


async def test_a_page_shows_its_source_code(person):
    page = await person("ada", "/sequencer/1/")
    await page.get_by_text("The code of this page").click()
    line = "class CompositionSocketView(SocketRouteView):"
    await expect(page.locator("pre")).to_contain_text(line)


async def test_a_user_can_log_in_with_a_password(person):
    page = await person(None, "/login/")
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("demo")
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("heading", name="You are logged in as ben")).to_be_visible()
