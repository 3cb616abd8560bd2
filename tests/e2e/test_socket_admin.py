"""The admin's list of sockets in a real browser: it updates itself, but not while it is used."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .conftest import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCRIPT = ROOT / "sockets/static/sockets/live.js"
LIST = "/admin/sockets/socket/"
RUN = re.compile("^(Run|Go)$")  # of an action; "Go" until Django 6.0
PHONE = {"width": 390, "height": 844}


@pytest_asyncio.fixture(loop_scope="session")
async def staff(visitor, demo_server):
    """`await staff(query)` opens the list as a superuser. It updates every 0.5 s instead of 5 s."""
    script = SCRIPT.read_text()
    assert "SECONDS = 5;" in script
    fast_script = script.replace("SECONDS = 5;", "SECONDS = 0.5;")

    async def open_list(query="", **options):
        cookies = demo_server.cookies.get("admin")
        page = await visitor(base_url=demo_server.url, storage_state=cookies, **options)
        await page.context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        await page.context.route(
            "**/sockets/live.js",
            lambda route: route.fulfill(body=fast_script, content_type="text/javascript"),
        )
        await page.goto(LIST + query)
        if not cookies:
            await page.get_by_label("Username").fill("admin")
            await page.get_by_label("Password").fill("demo")
            await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#sockets-live")).to_contain_text("live · updated")
        demo_server.cookies["admin"] = await page.context.storage_state()
        return page

    return open_list


def row(page, path):
    return page.locator("#result_list tbody tr", has_text=path)


async def test_the_list_adds_and_removes_rows_without_reloading_the_page(staff, person) -> None:
    page = await staff()
    await page.evaluate("window.isSamePage = true")
    ada = await person("ada", "/dice-game/1/")
    await expect(row(page, "/dice-game/1/")).to_have_count(1)
    await expect(row(page, "/dice-game/1/")).to_contain_text("ada")
    await ada.close()
    await expect(row(page, "/dice-game/1/")).to_have_count(0)
    assert await page.evaluate("window.isSamePage")  # the page was not loaded again


async def test_the_list_does_not_change_while_a_row_is_selected(staff, person) -> None:
    await person("ada", "/dice-game/1/")
    page = await staff()
    await row(page, "ada").get_by_role("checkbox").check()
    ben = await person("ben", "/dice-game/1/")
    await expect(page.locator("#sockets-live")).to_contain_text("paused")
    await expect(row(page, "ben")).to_have_count(0)
    await row(page, "ada").get_by_role("checkbox").uncheck()
    await expect(row(page, "ben")).to_have_count(1)
    await ben.close()
    await expect(row(page, "ben")).to_have_count(0)


async def test_an_action_can_be_run_on_rows_that_were_added_later(staff, person) -> None:
    page = await staff("?q=/dice-game/1/")
    ada, ben = await person("ada", "/dice-game/1/"), await person("ben", "/dice-game/1/")
    await expect(row(page, "/dice-game/1/")).to_have_count(2)
    await row(page, "ben").get_by_role("checkbox").check()
    await expect(page.locator(".action-counter")).to_have_text("1 of 2 selected")
    await page.get_by_label("Action:").select_option("Send a message…")
    await page.get_by_role("button", name=RUN).click()
    await page.get_by_label("Type:").fill("CHAT")
    await page.get_by_label("Data:").fill('{"name": "admin", "text": "Tea is ready."}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".messagelist")).to_have_text("The message was sent to 1 socket.")
    await expect(ben.get_by_text("Tea is ready.")).to_be_visible()
    assert await ada.get_by_text("Tea is ready.").count() == 0


async def test_all_rows_can_be_selected_after_the_list_has_changed(staff, person) -> None:
    page = await staff("?q=/dice-game/")
    tables = [await person(name, "/dice-game/1/") for name in ("ada", "ben")]
    await expect(row(page, "/dice-game/1/")).to_have_count(len(tables))
    await page.locator("#action-toggle").check()
    await expect(page.locator(".action-counter")).to_have_text("2 of 2 selected")
    await page.get_by_label("Action:").select_option("Disconnect…")
    await page.get_by_role("button", name=RUN).click()
    await page.get_by_label("Reason:").fill("Closing time.")
    await page.get_by_role("button", name="Yes, disconnect").click()
    await expect(page.locator(".messagelist")).to_have_text("2 sockets were disconnected.")
    for table in tables:
        await expect(table.get_by_text("Closing time.")).to_be_visible()
    await expect(row(page, "/dice-game/1/")).to_have_count(0)


async def test_the_list_does_not_change_while_the_user_types_a_search(staff, person) -> None:
    page = await staff()
    await page.get_by_role("textbox", name="Search").fill("dice")
    await person("ada", "/dice-game/1/")
    await expect(page.locator("#sockets-live")).to_contain_text("paused")
    await expect(row(page, "ada")).to_have_count(0)
    await page.get_by_role("button", name="Search").click()
    await expect(row(page, "ada")).to_have_count(1)


async def test_the_list_stops_updating_when_the_session_has_ended(staff) -> None:
    page = await staff()
    await page.context.clear_cookies()
    await expect(page.locator("#sockets-live")).not_to_contain_text("live")
    assert page.url.endswith(LIST)
    await expect(page.locator("#sockets-live")).to_have_attribute("data-state", "ended")


async def test_the_list_does_not_scroll_sideways_on_a_phone(staff, person) -> None:
    await person("ada", "/dice-game/1/")
    page = await staff(viewport=PHONE, has_touch=True)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
