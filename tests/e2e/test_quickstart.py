"""The quickstart, and `startsocket`: followed in an empty folder, and used in a browser."""

import subprocess
import sys
import time
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.documents import Reader, printed_code
from tests.ports import answers, free_port

from .conftest import TIMEOUT

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Site:
    """The project of a reader, served by the command of the page."""

    def __init__(self, reader, visitor) -> None:
        self.reader = reader
        self.visitor = visitor
        self.log = reader.folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_ins = {}
        self.pages = []

    @asynccontextmanager
    async def served_by(self, command):
        process = self.start(command)
        try:
            yield
            for page in self.pages:
                await page.close()
        finally:
            process.terminate()
            process.wait(TIMEOUT)
        assert "Traceback" not in self.log.read_text()

    def start(self, command):
        """Return the server's process when it answers."""
        options = {"cwd": self.reader.folder, "env": self.reader.environ}
        with self.log.open("w") as log:
            command = [*command, "--port", str(self.port)]
            process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        deadline = time.monotonic() + 2 * TIMEOUT
        while not answers(self.port):
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    async def window(self, path, user="ada"):
        """Open a page in a window of its own, and log in where the page asks for it."""
        page = await self.visitor(base_url=self.url, storage_state=self.log_ins.get(user))
        self.pages.append(page)
        await page.goto(path)
        if "/login/" in page.url:
            await page.get_by_label("Username").fill(user)
            await page.get_by_label("Password").fill("secret")
            await page.get_by_role("button", name="Log in").click()
            await page.wait_for_url(f"**{path}")
            self.log_ins[user] = await page.context.storage_state()
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def site(visitor, tmp_path):
    return Site(Reader(tmp_path), visitor)


async def add_note(site):
    page = await site.window("/admin/notes/note/add/")
    await page.get_by_label("Title").fill("Shopping")
    await page.get_by_label("Writers").select_option(label="ada")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_url("**/admin/notes/note/")


async def send_a_message_to_two_windows(site):
    first, second = await site.window("/board/"), await site.window("/board/")
    for page in (first, second):
        await expect(page.get_by_text("Connected.")).to_be_visible()
    await first.get_by_label("Message").fill("Hello")
    await first.get_by_role("button", name="Send").click()
    await expect(second.get_by_role("listitem")).to_have_text("Hello")


async def edit_a_note_in_two_windows(site):
    await add_note(site)
    first, second = await site.window("/notes/1/"), await site.window("/notes/1/")
    for page in (first, second):
        await expect(page.get_by_text("Connected.")).to_be_visible()
    await first.get_by_label("Text").fill("milk")
    await first.get_by_label("Text").blur()
    await expect(second.get_by_label("Text")).to_have_value("milk")


async def follow_the_list_in_two_windows(site):
    first, second = await site.window("/notes/"), await site.window("/notes/")
    for page in (first, second):
        await expect(page.get_by_label("Title")).to_have_value("Shopping")
    await first.get_by_label("New note").fill("Work")
    await first.get_by_role("button", name="Add").click()
    await expect(second.get_by_label("Title")).to_have_count(2)
    await second.get_by_label("Title").last.fill("Garden")
    await second.get_by_label("Title").last.blur()
    await expect(first.get_by_label("Title").last).to_have_value("Garden")
    await first.get_by_role("button", name="Delete").first.click()
    await expect(second.get_by_label("Title")).to_have_count(1)
    await expect(second.get_by_label("Title")).to_have_value("Garden")
    await rename_in_the_admin(site)
    await expect(second.get_by_label("Title")).to_have_value("Travel")


async def rename_in_the_admin(site):
    page = await site.window("/admin/notes/note/2/change/")
    await page.get_by_label("Title").fill("Travel")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_url("**/admin/notes/note/")


async def chat_as_two_users(site):
    ada, ben = await site.window("/chat/"), await site.window("/chat/", user="ben")
    for page in (ada, ben):
        await expect(page.locator("#users")).to_have_text("ada, ben")
    await ada.get_by_label("Message").fill("Hello")
    await ada.get_by_role("button", name="Send").click()
    await expect(ben.get_by_role("listitem")).to_have_text("ada: Hello")
    await ben.close()
    await expect(ada.locator("#users")).to_have_text("ada")


async def test_the_quickstart_runs_when_it_is_copied_into_an_empty_folder(site):
    parts = [
        send_a_message_to_two_windows,
        edit_a_note_in_two_windows,
        follow_the_list_in_two_windows,
        chat_as_two_users,
    ]
    users = iter(["ada", "ben"])
    for server in site.reader.follow("quickstart.md", users):
        site.reader.run("python manage.py check --fail-level WARNING")
        async with site.served_by(server):
            await parts.pop(0)(site)
    assert parts == []


def create_project(reader):
    """Do what the command prints; return its command for the server."""
    reader.run("django-admin startproject mysite .")
    settings = reader.folder / "mysite/settings.py"
    with settings.open("a") as file:
        file.write('INSTALLED_APPS += ["rest_channels"]\n')
    added, asgi, urls, server = printed_code(reader.run("python manage.py startsocket board"))
    with settings.open("a") as file:
        file.write(added)
    for name, text in {"asgi": asgi, "urls": urls}.items():
        with (reader.folder / f"mysite/{name}.py").open("a") as file:
            file.write(text)
    return [sys.executable, "-m", *server.split()]


async def test_the_app_of_startsocket_is_live_when_the_project_has_the_printed_lines(site):
    server = create_project(site.reader)
    site.reader.run("python manage.py check --fail-level WARNING")
    site.reader.run("python manage.py test board")
    async with site.served_by(server):
        await send_a_message_to_two_windows(site)
