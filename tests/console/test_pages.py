"""The pages of the console: which there are, what they show, and to which clients."""

import json
import re

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.core.asgi import get_asgi_application
from django.test import Client
from django.urls import path as url

from rest_channels.multiplexer import Multiplexer
from rest_channels.routing import SocketApplication

from . import site

HTML = [(b"accept", b"text/html,application/xhtml+xml")]
User = get_user_model()
TIMEOUT = 30  # seconds
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def project(settings):
    settings.ROOT_URLCONF = "tests.console.site"
    settings.ASGI_APPLICATION = "tests.console.site.application"
    settings.DEBUG = True


async def get(path, headers=HTML, method="GET", application=None, query=b""):
    """Return the status, the headers and the text of a response."""
    if application is None:
        application = SocketApplication(site.application.routes, http=get_asgi_application())
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [*headers, (b"host", b"testserver")],
        "query_string": query,
        "server": ("testserver", 80),
    }
    client = ApplicationCommunicator(application, scope)
    await client.send_input({"type": "http.request", "body": b""})
    start = await client.receive_output(TIMEOUT)
    body = (await client.receive_output(TIMEOUT))["body"]
    await client.wait(TIMEOUT)
    return start["status"], dict(start["headers"]), body.decode()


def shown(text):
    """Return the data that the page has for its script."""
    return json.loads(re.search(r'<script id="console-data"[^>]*>(.*?)</script>', text)[1])


async def test_a_browser_that_opens_the_url_of_a_socket_sees_its_page() -> None:
    status, headers, text = await get("/tickets/books/")
    assert (status, headers[b"Content-Type"]) == (200, b"text/html; charset=utf-8")
    data = shown(text)
    (socket,) = data["sockets"]
    assert (data["path"], socket["dialect"]) == ("/tickets/books/", "action")
    assert socket["description"] == "The tickets of a shop."
    (escalate,) = socket["operations"]
    assert escalate["example"] == {"action": "escalate", "request_id": 1, "pk": 1}


async def test_fields_of_a_serializer_are_shown_with_their_help() -> None:
    _status, _headers, text = await get("/table/")
    sit = shown(text)["sockets"][0]["operations"][-1]
    (seat,) = sit["fields"]
    assert (seat["name"], seat["type"], seat["required"]) == ("seat", "integer", True)
    assert (seat["helpText"], seat["min_value"]) == ("From 1 to 4.", 1)


@pytest.mark.parametrize(
    ("headers", "method"),
    [([(b"accept", b"application/json")], "GET"), ([], "GET"), (HTML, "POST")],
)
async def test_other_clients_get_what_the_site_answers(headers, method) -> None:
    status, _headers, text = await get("/tickets/books/", headers, method)
    assert status == 404
    assert "console-data" not in text


async def test_a_page_of_the_site_at_the_same_path_comes_first() -> None:
    _status, _headers, text = await get("/page/")
    assert text == "the page"


async def test_paths_without_a_socket_have_no_console() -> None:
    status, _headers, text = await get("/nowhere/")
    assert status == 404
    assert "console-data" not in text


async def test_it_runs_in_the_middleware_of_the_site(settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.security.SecurityMiddleware"]
    _status, headers, _text = await get("/table/")
    assert headers[b"X-Content-Type-Options"] == b"nosniff"


@pytest.fixture
def production(settings):
    settings.DEBUG = False


def cookie_of(**flags):
    client = Client()
    client.force_login(User.objects.create_user("ada", **flags))
    return (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())


async def answers(path, cookie=None):
    status, _headers, text = await get(path, [*HTML, cookie] if cookie else HTML)
    return status, text


async def test_without_debug_only_staff_sees_it(production) -> None:
    staff = await sync_to_async(cookie_of)(is_staff=True)
    status, text = await answers("/table/", staff)
    assert status == 200
    assert shown(text)["sockets"][0]["dialect"] == "type"


async def test_for_others_it_is_as_if_there_were_none(production, settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.common.CommonMiddleware"]
    user = await sync_to_async(cookie_of)()
    absent = await answers("/nowhere/")
    for path in ("/table/", "/sockets/", "/sockets", "/sockets/at/table/", "/sockets/at/none"):
        for cookie in (None, user):
            assert await answers(path, cookie) == absent


async def test_the_permission_classes_are_those_of_the_setting(production, settings) -> None:
    settings.REST_CHANNELS = {"CONSOLE_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
    assert (await answers("/table/"))[0] == 200


@pytest.mark.parametrize("path", ["/table/", "/sockets/", "/sockets/at/table/"])
async def test_it_can_be_switched_off(path, settings) -> None:
    settings.REST_CHANNELS = {"CONSOLE": False}
    assert (await answers(path))[0] == 404


async def test_the_list_names_every_socket_and_links_to_its_page() -> None:
    status, text = await answers("/sockets/")
    assert status == 200
    assert 'href="/sockets/at/tickets/slug:shop/"' in text
    assert "/tickets/&lt;slug:shop&gt;/" in text
    assert "tests.console.site.Tickets" in text


async def test_a_page_of_the_list_asks_for_the_arguments_in_the_path() -> None:
    _status, text = await answers("/sockets/at/tickets/slug:shop/")
    data = shown(text)
    assert data["path"] is None
    assert data["sockets"][0]["pathArguments"][0]["name"] == "shop"


async def test_the_url_of_a_page_stays_when_routes_are_added(monkeypatch) -> None:
    routes = [url("first/", site.Tickets.as_asgi()), *site.application.routes]
    monkeypatch.setattr(site, "application", SocketApplication(routes))
    _status, text = await answers("/sockets/at/table/")
    assert [each["path"] for each in shown(text)["sockets"]] == ["/table/"]


async def test_each_stream_of_a_multiplexer_has_a_page_and_so_have_all(monkeypatch) -> None:
    streams = {"a b": site.Tickets.as_asgi(), "table": site.Table.socket.as_asgi()}
    routes = [url("all/", Multiplexer(streams))]
    monkeypatch.setattr(site, "application", SocketApplication(routes))
    assert 'href="/sockets/at/all/?stream=a%20b"' in (await answers("/sockets/"))[1]
    for query, names in [(b"stream=a%20b", ["a b"]), (b"", ["a b", "table"])]:
        _status, _headers, text = await get("/sockets/at/all/", query=query)
        assert [each["stream"] for each in shown(text)["sockets"]] == names
    assert (await get("/sockets/at/all/", query=b"stream=none"))[0] == 404


async def test_pages_have_no_inline_script_and_no_inline_style() -> None:
    for path in ("/sockets/", "/sockets/at/table/"):
        _status, text = await answers(path)
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text)
        assert not re.search(r"<style|\sstyle=|\son\w+=", text)


async def test_a_page_says_who_connects() -> None:
    ada = await sync_to_async(cookie_of)()
    assert "logged in as ada" in (await answers("/table/", ada))[1]
    assert "not logged in" in (await answers("/table/"))[1]
