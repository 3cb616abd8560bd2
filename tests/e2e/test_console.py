"""The console in a real browser: every dialect, on a site with a strict Content-Security-Policy."""

import json
import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .conftest import DemoServer, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 360, "height": 740}
UNNAMED = """all => all
    .filter((it) => !it.ariaLabel && !it.labels?.length && !it.textContent.trim())
    .map((it) => it.outerHTML)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, demo_database):
    server = DemoServer("tests.e2e.console_site", tmp_path_factory.mktemp("site"), demo_database)
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def console(visitor, site):
    """`await console(path, user)` opens a page of the site, which shows no script error."""

    async def open_page(path, user=None, **options):
        page = await visitor(base_url=site.url, storage_state=site.cookies.get(user), **options)
        if user and user not in site.cookies:
            await page.goto("/login/")
            token = await page.locator("[name=csrfmiddlewaretoken]").first.get_attribute("value")
            form = {"csrfmiddlewaretoken": token}
            await page.request.post(f"/login/{user}/", form=form, headers={"Referer": page.url})
            site.cookies[user] = await page.context.storage_state()
        await page.goto(path)
        return page

    return open_page


async def open_from_index(page, path):
    await page.get_by_role("link", name=path, exact=True).click()
    await page.wait_for_url("**/sockets/at/**")


def operation(page, name):
    return page.locator("details.operation", has=page.get_by_role("heading", name=name, exact=True))


async def opened(page, name):
    found = operation(page, name)
    if await found.get_attribute("open") is None:
        await found.locator("summary").click()
    return found


def entries(page, kind):
    return page.locator(f".entry[data-kind={kind}]:not([hidden])")


async def send_raw(page, frame, kind="JSON"):
    await page.locator("#raw").get_by_label(kind).check()
    await page.locator("#raw textarea").fill(frame if isinstance(frame, str) else json.dumps(frame))
    await page.locator("#raw textarea").press("Control+Enter")


CODE = {  # what only the code of one button has
    "Frame": '{"',
    "Python": "websockets.sync",
    "Test": "SocketCommunicator",
    "JavaScript": "SocketClient",
    "Shell": "websocat",
}


async def copy(form, name):
    """Return what a button of a form copies."""
    await form.get_by_role("button", name=name, exact=True).click()

    async def copied():
        text = await form.page.evaluate("navigator.clipboard.readText()")
        return text if CODE[name] in text else None

    return await eventually(copied)


async def test_a_form_makes_the_frame_and_shows_its_answer(console):
    page = await console("/sockets/", "ada")
    headers = (await page.request.get("/sockets/")).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    await open_from_index(page, "/plants/")
    create = await opened(page, "create")
    await create.get_by_label("name").fill("Fern")
    await create.get_by_label("water_every").fill("9")
    frame = json.loads(await create.get_by_label("Frame").input_value())
    assert frame["data"] | {"name": "Fern", "water_every": 9} == frame["data"]
    await create.get_by_role("button", name="Connect and send").click()
    await expect(create.locator("output")).to_contain_text("Answered with 201 after")
    await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Connected")
    await expect(entries(page, "received").locator(".status")).to_have_text("201")
    await create.get_by_role("button", name="Show it").click()
    await expect(entries(page, "received").locator("pre")).to_contain_text('"name": "Fern"')


async def test_errors_of_the_server_are_shown_beside_their_inputs(console):
    page = await console("/sockets/", "ada")
    await open_from_index(page, "/plants/")
    create = await opened(page, "create")
    await create.get_by_label("name").fill("")
    await create.get_by_label("water_every").fill("99")
    await create.get_by_label("water_every").press("Control+Enter")
    await expect(create.locator("[data-name=water_every] .problem")).to_contain_text("60")
    problem = "This field is required."
    await expect(create.locator("[data-name=name] .problem")).to_have_text(problem)
    await expect(entries(page, "received")).to_contain_text(f"name: {problem}")


async def test_an_error_without_an_id_is_shown_at_the_only_form_whose_frame_waits(console):
    page = await console("/ws/bar/")
    order = await opened(page, "order")
    await order.get_by_label("Frame").fill('{"method": "order", "data": {"cups": 0}}')
    await order.get_by_role("button", name="send").click()
    after = "An error that names no request came after this frame."
    await expect(order.locator("output")).to_contain_text(f"{after} cups: Order at least one cup.")
    await order.get_by_role("button", name="Show it").click()
    await expect(entries(page, "received").locator("pre")).to_contain_text("at least one cup")
    await send_raw(page, "no JSON", "Text")
    await expect(page.locator("#raw output")).to_contain_text(after)


async def test_an_error_without_an_id_is_only_in_the_log_while_several_frames_wait(console):
    page = await console("/ws/echo/lobby/")
    await send_raw(page, {"times": 0})
    await send_raw(page, "no JSON", "Text")
    await expect(entries(page, "received")).to_contain_text("400")
    await expect(page.locator("#raw output")).to_have_text("Sent")


async def test_json_and_inputs_stay_equal_and_wrong_json_is_not_sent(console):
    page = await console("/ws/bar/")
    order = await opened(page, "order")
    frame, data = order.get_by_label("Frame"), order.get_by_label("data")
    await frame.fill('{"method": "order", "data": {"cups": 12345678901234567890}}')
    await expect(data).to_have_value('{"cups":12345678901234567000}')
    await frame.press("Control+Enter")
    sent = entries(page, "sent").locator(".preview")
    await expect(sent).to_have_text('{"method":"order","data":{"cups":12345678901234567890}}')
    await frame.fill('{"method": "order",}')
    await frame.press("Control+Enter")
    await expect(order.locator(".problem:not([hidden])")).to_contain_text("This is no JSON")
    await expect(frame).to_be_focused()
    await expect(sent).to_have_count(1)


async def test_frames_with_a_type_and_the_arguments_of_a_path(console):
    page = await console("/sockets/", "ada")
    await open_from_index(page, "/dice-game/<int:pk>/")
    await page.get_by_label("pk").fill("x")
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator(".entry")).to_have_count(0)
    await page.get_by_label("pk").fill("1")
    await expect(page.get_by_label("Address")).to_have_value(re.compile("^ws://.*/dice-game/1/$"))
    chat = await opened(page, "CHAT")
    await chat.get_by_label("text").fill("Hello")
    await chat.get_by_role("button", name="send").click()
    await expect(entries(page, "received").filter(has_text="CHAT")).to_contain_text('"Hello"')


async def test_streams_of_a_multiplexer_are_on_one_page(console):
    page = await console("/ws/streams/", "ada")
    await (await opened(page, "water")).get_by_role("button", name="send").click()
    await expect(entries(page, "received").filter(has_text="plants: water")).to_contain_text("200")
    await expect(entries(page, "received").filter(has_text="members")).to_contain_text("403")


async def test_client_js_calls_the_consumers_of_streams(console):
    page = await console("/ws/streams/", "ada")
    found = await page.evaluate("""async () => {
        const { SocketClient } = await import("/static/rest_channels/client.js");
        const streams = { plants: "action", members: "action" };
        const socket = new SocketClient("/ws/streams/", { streams });
        const plants = await socket.stream("plants").request("list");
        const greet = socket.stream("members").request("greet", { name: "Ada" });
        const refused = await greet.catch((error) => error.status);
        return [Array.isArray(plants.results ?? plants), refused];
    }""")
    assert found == [True, 403]


async def test_a_plain_socket_takes_text_and_bytes_and_frames_can_be_sent_again(console):
    page = await console("/ws/bytes/")
    await send_raw(page, "hi", "Text")
    received = entries(page, "received")
    await received.locator("summary").click()
    await expect(received.locator("pre")).to_have_text("0000  68 69".ljust(55) + "hi")
    await received.get_by_role("button", name="Edit and send").click()
    await expect(page.locator("#raw textarea")).to_have_value("68 69")
    await page.locator("#raw textarea").press("Control+Enter")
    await expect(received.last.locator(".preview")).to_have_text("2")
    await entries(page, "sent").last.locator("summary").click()
    await entries(page, "sent").last.get_by_role("button", name="Send again").click()
    await expect(entries(page, "sent")).to_have_count(3)


async def test_the_log_is_filtered_paused_cleared_and_bounded(console):
    page = await console("/ws/echo/lobby/?lang=en")
    await expect(page.get_by_label("Address")).to_have_value(page.url.replace("http", "ws"))
    await send_raw(page, {"n": 1})
    await send_raw(page, {"n": 2})
    await expect(entries(page, "received")).to_have_count(2)
    await page.get_by_label("Show only frames with this text").fill('"n":2')
    await expect(entries(page, "received")).to_have_count(1)
    await page.get_by_label("Show only", exact=True).select_option("Sent")
    await expect(entries(page, "received")).to_have_count(0)
    await page.get_by_label("Show only frames with this text").fill("")
    await page.get_by_label("Show only", exact=True).select_option("All")
    await page.get_by_role("button", name="Pause").click()
    await send_raw(page, {"n": 3})
    await expect(page.get_by_role("button", name="Resume (2 new)")).to_be_visible()
    await expect(entries(page, "received")).to_have_count(2)
    await page.get_by_role("button", name="Resume").click()
    await expect(entries(page, "received")).to_have_count(3)
    await page.get_by_role("button", name="Clear").click()
    await expect(page.locator(".entry")).to_have_count(0)
    await send_raw(page, {"times": 1100})
    await expect(page.locator("#log-count")).to_contain_text("older ones dropped: 101")
    await expect(page.locator(".entry")).to_have_count(1000)


async def test_frames_are_copied_as_code(console):
    page = await console("/ws/bar/", permissions=["clipboard-read", "clipboard-write"])
    order = await opened(page, "order")
    await order.get_by_label("data").fill('{"cups": 2, "note": "it\'s hot"}')
    copied = {name: await copy(order, name) for name in CODE}
    frame = {"method": "order", "request_id": 1, "data": {"cups": 2, "note": "it's hot"}}
    assert json.loads(copied["Frame"]) == frame
    for name in ("Python", "Test"):
        compile(copied[name], name, "exec")
        assert str(frame["data"]["note"]) in copied[name]
    assert 'SocketCommunicator(application, "/ws/bar/")' in copied["Test"]
    assert 'socket.request("order", {' in copied["JavaScript"]
    assert r"""it'\''s hot""" in copied["Shell"]


async def test_a_token_is_sent_as_a_subprotocol_and_copied_to_no_code(console):
    page = await console("/ws/tokens/", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_text("Query string, token, subprotocols").click()
    await page.get_by_label("Token", exact=True).fill("secret")
    await page.get_by_role("button", name="Connect", exact=True).click()
    whoami = await opened(page, "whoami")
    await whoami.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Open, with the subprotocol rest-channels")).to_be_visible()
    await expect(entries(page, "received")).to_contain_text('"name":"ada"')
    for name in ("Python", "Test", "JavaScript", "Shell"):
        code = await copy(whoami, name)
        assert "authorization.Bearer.TOKEN" in code
        assert "secret" not in code


async def test_close_codes_are_explained(console):
    page = await console("/ws/echo/lobby/")
    await send_raw(page, {"close": 4401})
    reason = page.locator("#closed")
    await expect(reason).to_contain_text("4401 unauthenticated")
    await expect(reason).to_contain_text("Log in to this site in another tab")
    await expect(page.locator("#state")).to_have_text("Closed (4401)")
    await send_raw(page, {"close": 4418})
    await expect(reason).to_contain_text("as with the HTTP status 418")


async def test_refused_handshakes_are_explained(console):
    page = await console("/ws/members/")
    greet = await opened(page, "greet")
    await greet.get_by_role("button", name="Connect and send").click()
    await expect(greet.locator("output")).to_have_text("Not sent. The top of the page says why.")
    await expect(page.locator("#closed")).to_contain_text("The server refused the handshake")
    await expect(page.locator("#closed")).to_contain_text("ALLOWED_ORIGINS")
    await page.get_by_label("Address").fill("ws://[")
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator("#closed")).to_contain_text("The browser cannot connect")


async def test_the_index_lists_and_filters_all_sockets(console):
    page = await console("/sockets/")
    links = page.locator("#sockets").get_by_role("link")
    assert await links.count() == 17
    await page.get_by_label("Filter").fill("takes orders")
    await expect(links).to_have_count(1)
    await links.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("/ws/bar/")
    await page.get_by_role("link", name="Sockets").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sockets")


@pytest.mark.parametrize("path", ["/sockets/", "/ws/streams/", "/ws/echo/lobby/"])
async def test_pages_fit_on_a_phone_and_every_control_has_a_name(console, path):
    page = await console(path, viewport=PHONE, has_touch=True)
    for summary in await page.locator("summary:visible").all():
        await summary.click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    controls = "button, a[href], input, select, textarea"
    assert await page.locator(controls).evaluate_all(UNNAMED) == []


async def test_names_of_classes_break_only_between_their_parts(console):
    page = await console("/sockets/", viewport=PHONE)
    broken = await page.locator(".sockets .class").evaluate_all("""all => all
        .flatMap((it) => [...it.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE))
        .filter((part) => {
            const range = document.createRange();
            range.selectNodeContents(part);
            return range.getClientRects().length > 1;
        })
        .map((part) => part.data)""")
    assert broken == []


async def test_the_page_is_readable_without_scripts(console):
    page = await console("/ws/members/", java_script_enabled=False)
    await expect(page.get_by_text("it needs JavaScript.")).to_be_visible()
    await expect(page.locator(".example")).to_contain_text('"action": "greet"')
    await expect(page.get_by_role("button")).to_have_count(0)
