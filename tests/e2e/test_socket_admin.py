"""The admin's list of sockets, in a real browser: it is live, and leaves those who use it alone."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .conftest import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVE = ROOT / "sockets/static/sockets/live.js"
LIST = "/admin/sockets/socket/"
PHONE = {"width": 390, "height": 844}


@pytest_asyncio.fixture(loop_scope="session")
async def staff(visitor, demo_server):
    """`await staff(query)`: the list, opened by somebody who may do anything. It is in a hurry."""
    script = LIVE.read_text()
    assert "SECONDS = 5;" in script
    hurried = script.replace("SECONDS = 5;", "SECONDS = 0.5;")

    async def come(query="", **options):
        page = await visitor(base_url=demo_server.url, **options)
        await page.context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        await page.context.route(
            "**/sockets/live.js",
            lambda route: route.fulfill(body=hurried, content_type="text/javascript"),
        )
        await page.goto(LIST + query)
        await page.get_by_label("Username").fill("admin")
        await page.get_by_label("Password").fill("demo")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#sockets-live")).to_contain_text("live · updated")
        return page

    return come


def row(page, path):
    return page.locator("#result_list tbody tr", has_text=path)


async def test_who_comes_and_goes_does_so_by_himself(staff, person) -> None:
    page = await staff()
    await page.evaluate("window.isSame = true")
    ada = await person("ada", "/table/1/")
    await expect(row(page, "/table/1/")).to_have_count(1)
    await expect(row(page, "/table/1/")).to_contain_text("ada")
    await ada.close()
    await expect(row(page, "/table/1/")).to_have_count(0)
    assert await page.evaluate("window.isSame")  # nothing was loaded but rows


async def test_rows_stay_while_one_is_selected(staff, person) -> None:
    await person("ada", "/table/1/")
    page = await staff()
    await row(page, "ada").get_by_role("checkbox").check()
    ben = await person("ben", "/table/1/")
    await expect(page.locator("#sockets-live")).to_contain_text("paused")
    await expect(row(page, "ben")).to_have_count(0)
    await row(page, "ada").get_by_role("checkbox").uncheck()
    await expect(row(page, "ben")).to_have_count(1)
    await ben.close()
    await expect(row(page, "ben")).to_have_count(0)


async def test_new_rows_can_be_selected_and_sent_to(staff, person) -> None:
    page = await staff()
    ada, ben = await person("ada", "/table/1/"), await person("ben", "/table/1/")
    await expect(row(page, "/table/1/")).to_have_count(2)
    await row(page, "ben").get_by_role("checkbox").check()
    await expect(page.locator(".action-counter")).to_have_text("1 of 2 selected")
    await page.get_by_label("Action:").select_option("Send a message…")
    await page.get_by_role("button", name="Run").click()
    await page.get_by_label("Type:").fill("CHAT")
    await page.get_by_label("Data:").fill('{"name": "admin", "text": "Tea is ready."}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".messagelist")).to_have_text("The message was sent to 1 socket.")
    await expect(ben.get_by_text("Tea is ready.")).to_be_visible()
    assert await ada.get_by_text("Tea is ready.").count() == 0


async def test_all_can_be_selected_after_the_list_has_changed(staff, person) -> None:
    page = await staff("?q=/table/")
    tables = [await person(name, "/table/1/") for name in ("ada", "ben")]
    await expect(row(page, "/table/1/")).to_have_count(len(tables))
    await page.locator("#action-toggle").check()
    await expect(page.locator(".action-counter")).to_have_text("2 of 2 selected")
    await page.get_by_label("Action:").select_option("Disconnect…")
    await page.get_by_role("button", name="Run").click()
    await page.get_by_label("Reason:").fill("Closing time.")
    await page.get_by_role("button", name="Yes, disconnect").click()
    await expect(page.locator(".messagelist")).to_have_text("2 sockets were disconnected.")
    for table in tables:
        await expect(table.get_by_text("Closing time.")).to_be_visible()
    await expect(row(page, "/table/1/")).to_have_count(0)


async def test_who_searches_is_left_alone(staff, person) -> None:
    page = await staff()
    await page.get_by_role("textbox", name="Search").fill("tab")
    await person("ada", "/table/1/")
    await expect(page.locator("#sockets-live")).to_contain_text("paused")
    await expect(row(page, "ada")).to_have_count(0)
    await page.get_by_role("button", name="Search").click()
    await expect(row(page, "ada")).to_have_count(1)


async def test_the_list_ends_with_the_session(staff) -> None:
    page = await staff()
    await page.context.clear_cookies()
    await expect(page.locator("#sockets-live")).not_to_contain_text("live")
    assert page.url.endswith(LIST)
    await expect(page.locator("#sockets-live")).to_have_attribute("data-state", "ended")


async def test_it_does_not_scroll_sideways_on_a_phone(staff, person) -> None:
    await person("ada", "/table/1/")
    page = await staff(viewport=PHONE, has_touch=True)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
