"""The other pages: the chat of the plain lesson, and what holds for all of them."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = [
    "/",
    "/login/",
    "/compositions/",
    "/compositions/1/",
    "/compositions/3/",
    "/chat/lobby/",
    "/table/1/",
    "/plants/",
    "/talk/",
    "/talk/1/",
    "/board/",
]
PHONE = {"width": 390, "height": 844}


SETTLED = """() => {
    const connection = document.getElementById("connection");
    return !connection || ["ready", "closed"].includes(connection.dataset.state);
}"""


async def say(page, text):
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def test_two_tabs_chat_in_a_room(person):
    ada, ben = await person("ada", "/chat/kitchen/"), await person("ben", "/chat/kitchen/")
    await expect(ben.locator("#connection")).to_have_text("Live")
    await expect(ada.locator("#connection")).to_have_text("Live")
    await say(ada, "Is there <b>tea</b>?")
    await expect(ben.locator("#messages li")).to_have_text(["adaIs there <b>tea</b>?"])
    await say(ben, "Always.")
    await expect(ada.locator("#messages li").last).to_have_text("benAlways.")


async def test_what_is_said_in_one_room_is_not_heard_in_another(person):
    ada, ben = await person("ada", "/chat/cellar/"), await person("ben", "/chat/attic/")
    await expect(ben.locator("#connection")).to_have_text("Live")
    await say(ada, "Anybody down here?")
    await expect(ada.locator("#messages li")).to_have_count(1)
    await say(ben, "Nice view.")
    await expect(ben.locator("#messages li")).to_have_text(["benNice view."])


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_scrolls_sideways_on_a_phone(person, path):
    page = await person("cleo", path, viewport=PHONE, has_touch=True)
    await page.wait_for_function(SETTLED)
    for source in await page.locator("details summary").all():
        await source.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_control_has_a_name(person, path):
    page = await person("ada", path)
    await page.wait_for_function(SETTLED)
    for role in ("button", "link", "textbox", "slider"):
        for control in await page.get_by_role(role).all():
            assert await control.evaluate(
                "it => it.ariaLabel || it.labels?.length || it.textContent.trim()"
            ), control


async def test_a_page_shows_the_code_that_does_it(person):
    page = await person("ada", "/compositions/1/")
    await page.get_by_text("The code that does it").click()
    await expect(page.locator("pre")).to_contain_text("class CompositionSocketView(SocketView):")


async def test_the_password_door_works_too(person):
    page = await person(None, "/login/")
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("demo")
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("heading", name="You are ben.")).to_be_visible()
