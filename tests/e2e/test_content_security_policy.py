"""The pages of the demo work under the strict Content-Security-Policy that they are served with.

A browser logs each violation as an error, and `visitor` fails where a page has logged one.
"""

import pytest
from playwright.async_api import expect

from .test_pages import IS_CONNECTED_OR_REFUSED, PAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = [
    "/sockets/",
    "/sockets/at/plants/",
    "/plants/",
    "/admin/",
    "/admin/sockets/socket/",
    "/admin/shopping_list/item/add/",
    "/api/plants/",
    "/files/docs/performance.md",
    "/files/docs/images/demo.png",
]


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
async def test_no_page_violates_the_policy(person, path):
    page = await person(None, f"/login/?next={path}")
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill("demo")
    await page.get_by_role("button", name="Log in", exact=True).click()
    await page.wait_for_url(f"**{path}")
    if path.startswith("/sockets/at/"):
        await page.get_by_role("button", name="Connect", exact=True).click()
        await expect(page.locator("#state")).to_have_text("Connected")
    else:
        await page.wait_for_function(IS_CONNECTED_OR_REFUSED)
    for summary in await page.locator("summary:visible").all():
        await summary.click()
    answer = await page.request.get(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    strict = ("default-src 'self'; script-src 'self' 'nonce-", "default-src 'none'")
    assert policy.startswith(strict)


async def test_the_policy_stops_a_script_that_is_written_into_a_page(browser, demo_server):
    context = await browser.new_context(base_url=demo_server.url)
    page = await context.new_page()
    await page.goto("/")
    async with page.expect_console_message(lambda line: line.type == "error") as logged:
        await page.evaluate("""() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'changed'";
            document.head.append(script);
        }""")
    assert "Content Security Policy" in (await logged.value).text
    await expect(page).to_have_title("Demo · REST Channels")
    await context.close()
