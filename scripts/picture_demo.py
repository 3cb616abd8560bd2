"""Make the pictures on the cards of the demo's home page: `python -m scripts.picture_demo`.

It needs playwright and a Chromium. Each picture is made twice, for light and for dark.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent.parent / "demo/static/demo/pictures"
PAGES = {
    "shopping-list": "/shopping-list/",
    "sequencer": "/sequencer/1/",
    "chat-rooms": "/chat-rooms/1/",
    "ticket-board": "/ticket-board/",
    "dice-game": "/dice-game/1/",
    "plants": "/plants/",
    "channels-tutorial": "/channels-tutorial/lobby/",
    "sockets": "/sockets/at/plants/",
}
VIEW = {"width": 1000, "height": 625}
SCALE = 0.64  # pictures have 640 × 400 pixels
STYLE = ".bar, .behind, .source { display: none !important; }"
MESSAGES = {"ada": "Who has a spare umbrella?", "ben": "I do. It is by the door."}


def main() -> None:
    """Serve the demo with a new database, and take a picture of each page."""
    PICTURES.mkdir(exist_ok=True)
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with demo() as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        people = {name: log_in(chromium, url, name) for name in MESSAGES}
        start_game(people)
        for scheme in ("light", "dark"):
            people["ada"].emulate_media(color_scheme=scheme)
            for name, path in PAGES.items():
                open_page(people, name, path)
                people["ada"].wait_for_timeout(1000)  # animations end
                file = PICTURES / f"{name}-{scheme}.jpg"
                people["ada"].screenshot(path=file, type="jpeg", quality=74)


@contextmanager
def demo() -> Iterator[str]:
    """Serve the demo until the block ends; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"DEMO_DB": f"{folder}/demo.sqlite3"}
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.serve_demo", str(port)], env=environ
        )
        try:
            yield wait_for(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()


def wait_for(url: str) -> str:
    """Return the address when the server answers."""
    for _attempt in range(600):
        try:
            urlopen(f"{url}/login/").close()
        except OSError:
            time.sleep(0.1)
        else:
            return url
    raise RuntimeError("The demo does not start.")


def log_in(chromium: Any, url: str, name: str) -> Any:
    """Return a page of one user."""
    options = {"viewport": VIEW, "device_scale_factor": SCALE, "bypass_csp": True}  # for STYLE
    page = chromium.new_page(base_url=url, **options)
    page.goto("/login/")
    page.get_by_role("button", name=name).click()
    page.wait_for_url("**/")
    return page


def start_game(people: dict[str, Any]) -> None:
    """Let the users sit down, and start a game."""
    for page in people.values():
        page.goto(PAGES["dice-game"])
        page.get_by_role("button", name="Sit down").first.click()
    people["ada"].get_by_role("button", name="Start").click()


def open_page(people: dict[str, Any], name: str, path: str) -> None:
    """Open a page as ada, and let something be seen on those that are empty at first."""
    page = people["ada"]
    page.goto(path)
    page.add_style_tag(content=STYLE)
    if name == "channels-tutorial":  # it keeps no messages
        people["ben"].goto(path)
        for user, text in MESSAGES.items():
            people[user].get_by_label("Message", exact=True).fill(text)
            people[user].get_by_role("button", name="Send").click()
    if name == "sockets":
        page.get_by_text("ask_gardener").first.click()
        page.get_by_role("button", name="Send").first.click()
        page.wait_for_timeout(3500)  # the gardener takes three seconds


if __name__ == "__main__":
    main()
