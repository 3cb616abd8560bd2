"""docs/console.md: the list of sockets that it includes, and what it says of the settings."""

import re

import pytest
from django.test import Client

from rest_channels.routing import SocketApplication
from rest_channels.settings import Settings

from .test_pages import PAGES, ROOT

application = SocketApplication("tests.docs.routing")


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = "tests.docs.urls"
    settings.ASGI_APPLICATION = "tests.docs.test_console_page.application"
    settings.DEBUG = True
    return Client()


def test_the_list_of_the_page_shows_the_sockets_of_the_examples(client) -> None:
    text = client.get("/sockets/").content.decode()
    assert "/ws/notes/&lt;int:pk&gt;/" in text
    assert "tests.docs.api.Notes" in text


def test_each_socket_of_the_list_has_a_page(client) -> None:
    text = client.get("/sockets/").content.decode()
    links = re.findall(r'href="(/sockets/at/[^"]+)"', text)
    assert len(links) == 4
    assert {client.get(link).status_code for link in links} == {200}


def test_the_limits_of_the_log_are_those_of_the_script() -> None:
    script = (ROOT / "rest_channels/static/rest_channels/console/console.js").read_text()
    entries, size = re.findall(r"MAX_(?:ENTRIES|KEPT) = ([\d_]+);", script)
    words = " ".join(PAGES["console.md"].split())
    assert f"last {int(entries):,} frames, and at most {int(size) // 1_000_000} MB" in words


@pytest.mark.parametrize("name", ["CONSOLE", "CONSOLE_PERMISSION_CLASSES"])
def test_the_defaults_of_the_settings_match_the_code(name) -> None:
    default = repr(getattr(Settings, name).default).replace("'", '"')
    assert f"| `{name}` | `{default}` |" in PAGES["console.md"]
