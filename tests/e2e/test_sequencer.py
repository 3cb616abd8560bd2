"""Several users edit one composition."""

import re
import signal

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMPOSITION = "/sequencer/1/"
PRIVATE = "/sequencer/3/"  # only ada has access


def step(page, name="Kick 2"):
    return page.get_by_role("button", name=name, exact=True)


async def live(page):
    await expect(page.locator("#connection")).to_have_text("Live")


async def pressed(page, name="Kick 2") -> str:
    await live(page)
    return await step(page, name).get_attribute("aria-pressed")


def toggled(value: str) -> str:
    return "false" if value == "true" else "true"


async def test_an_edit_appears_in_the_page_of_another_user(person):
    ada, ben = await person("ada", COMPOSITION), await person("ben", COMPOSITION)
    changed = toggled(await pressed(ben))
    await step(ada).click()
    await expect(step(ben)).to_have_attribute("aria-pressed", changed)
    await step(ben).click()
    await expect(step(ada)).to_have_attribute("aria-pressed", toggled(changed))


async def test_simultaneous_edits_are_all_saved(person):
    ada, ben = await person("ada", COMPOSITION), await person("ben", COMPOSITION)
    names = ["Snare 1", "Snare 2", "Snare 3", "Hat 1", "Hat 2", "Hat 3"]
    expected = {name: toggled(await pressed(ada, name)) for name in names}
    await live(ben)
    press = (
        "names => names.forEach(name => document.querySelector(`[aria-label='${name}']`).click())"
    )
    await ada.evaluate(press, names[:3])
    await ben.evaluate(press, names[3:])
    for page in (ada, ben):
        for name in names:
            await expect(step(page, name)).to_have_attribute("aria-pressed", expected[name])


async def test_a_new_title_and_tempo_appear_in_the_page_of_another_user(person):
    ada, ben = await person("ada", COMPOSITION), await person("ben", COMPOSITION)
    await live(ben)
    await ada.get_by_label("Title").fill("Tram in the rain")
    await ada.get_by_label("Title").press("Enter")
    await expect(ben.get_by_label("Title")).to_have_value("Tram in the rain")
    await ada.get_by_label("Tempo").fill("133")
    await expect(ben.locator("#bpm")).to_have_text("133")


async def test_a_version_is_saved_with_its_author(person):
    page = await person("ben", COMPOSITION)
    changed = toggled(await pressed(page, "Clap 4"))
    number = int(await page.locator("#versions .number").first.text_content())
    await step(page, "Clap 4").click()
    await expect(page.locator("#versions li").first).to_contain_text("ben")
    await page.reload()
    await expect(page.locator("#versions .number").first).to_have_text(str(number + 1))
    await expect(step(page, "Clap 4")).to_have_attribute("aria-pressed", changed)


async def test_the_page_lists_the_users_who_have_it_open(person):
    ada, ben = await person("ada", COMPOSITION), await person("ben", COMPOSITION)
    await expect(ada.locator("#present li")).to_have_text(["ada", "ben"])
    await ben.goto("/sequencer/")
    await expect(ada.locator("#present li")).to_have_text(["ada"])


async def test_a_user_without_access_sees_an_error_message(person):
    cleo = await person("cleo", PRIVATE)
    error = "private. Only ada can give you access."
    await expect(cleo.get_by_role("alert")).to_contain_text(error)
    await expect(cleo.locator("#connection")).to_have_text("Not connected")


async def test_a_guest_returns_to_the_composition_after_the_log_in(person):
    page = await person(None, COMPOSITION)
    await expect(page.get_by_role("alert")).to_contain_text("Please log in")
    await page.get_by_role("alert").get_by_role("link", name="Log in").click()
    await page.get_by_role("button", name="cleo").click()
    await page.wait_for_url(f"**{COMPOSITION}")
    await live(page)


async def test_a_composition_that_does_not_exist_is_not_found(person):
    page = await person("ada", "/sequencer/99999/")
    await expect(page.get_by_role("alert")).to_contain_text("Not found")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["restarted", "killed"])
async def test_an_edit_without_a_connection_is_saved_after_the_reconnect(person, demo_server, how):
    ada = await person("ada", COMPOSITION)
    changed = toggled(await pressed(ada, "Bass 2"))
    demo_server.stop(how)
    await expect(ada.locator("#connection")).to_have_text(re.compile("Connection lost|Connecting"))
    await step(ada, "Bass 2").click()
    await expect(ada.locator("#unsaved")).to_have_text("Not saved yet. Waiting for the connection.")
    demo_server.start()
    await live(ada)
    await expect(ada.locator("#unsaved")).to_have_text("")
    ben = await person("ben", COMPOSITION)
    await expect(step(ben, "Bass 2")).to_have_attribute("aria-pressed", changed)


async def test_a_refused_change_is_reverted(person):
    page = await person("ada", COMPOSITION)
    await live(page)
    await page.evaluate("document.getElementById('tempo').max = 999")
    await page.get_by_label("Tempo").fill("999")
    await expect(page.locator("#unsaved")).to_contain_text("tempo:")
    await expect(page.locator("#bpm")).not_to_have_text("999")


async def test_the_keyboard_moves_the_focus_in_the_grid_and_the_play_button_plays(person):
    page = await person("ada", COMPOSITION)
    await live(page)
    await step(page, "Kick 1").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowDown")
    await expect(step(page, "Snare 2")).to_be_focused()
    await page.get_by_role("button", name="Play").click()
    await expect(page.locator(".step.now").first).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".step.now")).to_have_count(0)
