"""Two servers with an address each, and a shell, share a broker and a database."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.async_api import expect

from scripts.serve_cluster import valkey

from .conftest import PREPARED, ROOT, TIMEOUT, DemoServer
from .test_chat_rooms import Rooms, messages, present, send_message
from .test_ticket_board import PAGE, Board, expect_tickets, panel, ready, select, switch

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def pair(tmp_path_factory, demo_database) -> Iterator[list[DemoServer]]:
    """Two processes with one database and one Valkey. Each has its own address."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        url = stack.enter_context(valkey()).connection_url
        servers = [DemoServer(PREPARED, folder, demo_database) for _ in range(2)]
        for name, server in enumerate(servers, 1):
            server.environ |= {"DEMO_REDIS_URL": url, "DEMO_SERVER": str(name)}
            stack.callback(server.stop, signal.SIGTERM)
            server.start()
        yield servers


def run_in_a_shell(server: DemoServer, code: str) -> None:
    """Run code in `manage.py shell`, with the database and the Valkey of the servers."""
    command = [sys.executable, "demo/manage.py", "shell", "-c", code]
    subprocess.run(command, cwd=ROOT, env=server.environ, timeout=TIMEOUT, check=True)


async def test_chat_messages_of_two_servers_and_a_shell_appear_on_both_servers(visitor, pair):
    rooms, first = Rooms(pair[0]), pair[0]
    pk, path = rooms.new()
    pages = {}
    for name, server in zip(("ada", "ben"), pair, strict=True):
        pages[name] = page = await visitor(base_url=server.url)
        await page.goto(f"/login/?next={path}")
        await page.get_by_role("button", name=name).click()
        await page.wait_for_url(f"**{path}")
    for page in pages.values():
        await expect(present(page)).to_have_text(["ada", "ben"])
    await send_message(pages["ada"], "One")
    await expect(messages(pages["ben"])).to_have_text(["One"])
    await send_message(pages["ben"], "Two")
    await expect(messages(pages["ada"])).to_have_text(["One", "Two"])
    run_in_a_shell(
        first,
        "from django.contrib.auth.models import User; from demo.chat_rooms.models import Message; "
        f"Message.objects.create(room_id={pk}, user=User.objects.get(username='cleo'), text='3')",
    )
    for page in pages.values():
        await expect(messages(page)).to_have_text(["One", "Two", "3"])
    run_in_a_shell(
        first,
        "from demo.chat_rooms.models import Presence; "
        f"Presence.objects.filter(room_id={pk}).delete()",
    )
    for page in pages.values():
        await expect(present(page)).to_have_count(0)


async def test_tickets_of_two_servers_and_a_shell_appear_on_both_servers(visitor, pair):
    board = Board(pair[0])
    board.clear()
    title = board.new()
    pages = []
    for name, server in enumerate(pair, 1):
        page = await visitor(base_url=server.url)
        await page.goto(PAGE)
        await ready(page)
        await expect(panel(page, "ada").locator(".server")).to_have_text(f"server {name}")
        await expect_tickets(page, "todo", [title])
        pages.append(page)
    await (await select(pages[0], "ada", title)).get_by_role("button", name="To the next").click()
    for page in pages:
        await expect_tickets(page, "doing", [title])
        queries = "1 to save it, 2 to read lists (by 2 servers), 6 to check permissions"
        await expect(page.locator("#details")).to_contain_text(queries)
        await expect(page.locator("#figures")).to_have_text("1 save · 6 subscribers · 9 queries")
    await switch(pages[1], "ben").click()
    await expect(switch(pages[0], "ben")).not_to_be_checked()
    run_in_a_shell(
        pair[0],
        "from demo.ticket_board.models import Ticket; ticket = Ticket.objects.get(); "
        "ticket.title = 'From a shell'; ticket.save()",
    )
    for page in pages:
        await expect_tickets(page, "doing", ["From a shell"], names=["ada", "cleo"])
        await expect(panel(page, "ben").locator(".no-access")).to_contain_text("Refused (403)")
        await expect(page.locator("#details")).to_contain_text(re.compile("^“From a shell”"))
    await switch(pages[0], "ben").click()
    for page in pages:
        await expect_tickets(page, "doing", ["From a shell"])


async def test_a_list_that_is_read_while_its_save_ends_is_counted_with_it(pair):
    """Other receivers of `post_save` publish the change, and may run before the counter's."""
    run_in_a_shell(
        pair[0],
        "import time; from django.db.models.signals import pre_save; "
        "from demo.ticket_board.models import Ticket; "
        "from demo.ticket_board.query_counter import measured; times = []; "
        "pre_save.connect(lambda **signal: times.append(time.time()), Ticket, weak=False); "
        "measured.connect("
        "lambda measurement, **signal: times.append(measurement['time']), weak=False); "
        "Ticket.objects.create(title='New', owner_id=1); "
        "assert times[1] <= times[0], times",
    )
