"""The German texts of both apps: complete, compiled, and shown to users and clients."""

import gettext
import re
import shutil
from ast import literal_eval
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from django.utils import translation

from rest_channels.console.views import index
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView
from sockets.admin import SocketAdmin
from sockets.models import Socket

ROOT = Path(__file__).parents[1]
APPS = ["rest_channels", "sockets"]
CATALOG = "locale/de/LC_MESSAGES/django"


def entries(path):
    """Return the entries of a `.po` file, without its header: texts by keyword."""
    found = []
    for block in path.read_text().split("\n\n"):
        fields, keyword = {}, ""
        for begun, text in re.findall(r'^(msg\S+|) ?(".*")$', block, re.MULTILINE):
            keyword = begun or keyword
            fields[keyword] = fields.get(keyword, "") + literal_eval(text)
        found += [fields] if fields.get("msgid") else []
    return found


def translated(entry):
    """Return the texts of an entry by the number that they are for; `None`: for any."""
    if "msgid_plural" in entry:
        return {1: entry["msgstr[0]"], 2: entry["msgstr[1]"]}
    return {None: entry["msgstr"]}


def placeholders(text):
    return sorted(re.findall(r"%\(\w+\)\w|%[srd]|\{\w+\}", text))


@pytest.mark.parametrize("app", APPS)
def test_every_text_is_translated_with_the_same_placeholders(app) -> None:
    found = entries(ROOT / app / f"{CATALOG}.po")
    assert len(found) > 50
    for entry in found:
        for number, text in translated(entry).items():
            original = entry["msgid"] if number in (None, 1) else entry["msgid_plural"]
            assert text
            assert placeholders(text) == placeholders(original)


@pytest.mark.parametrize("app", APPS)
def test_the_compiled_texts_are_those_of_the_readable_file(app) -> None:
    with (ROOT / app / f"{CATALOG}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for entry in entries(ROOT / app / f"{CATALOG}.po"):
        for number, text in translated(entry).items():
            if number is not None:
                found = compiled.ngettext(entry["msgid"], entry["msgid_plural"], number)
            elif "msgctxt" in entry:
                found = compiled.pgettext(entry["msgctxt"], entry["msgid"])
            else:
                found = compiled.gettext(entry["msgid"])
            assert found == text, "Run django-admin compilemessages, as CONTRIBUTING.md says."


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs the gettext tools")
@pytest.mark.parametrize("app", APPS)
def test_every_marked_text_is_in_the_file(app, tmp_path, monkeypatch) -> None:
    shutil.copytree(ROOT / app, tmp_path / app, ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.chdir(tmp_path / app)
    call_command("makemessages", locale=["de"], no_location=True, no_obsolete=True, verbosity=0)
    assert keys(tmp_path / app) == keys(ROOT / app), "Run django-admin makemessages."


def keys(app):
    return {(each.get("msgctxt"), each["msgid"]) for each in entries(app / f"{CATALOG}.po")}


def test_the_admin_of_sockets_speaks_german() -> None:
    with translation.override("de"):
        assert str(Socket._meta.get_field("connected_at").verbose_name) == "verbunden seit"
        assert str(SocketAdmin.send_message.short_description) == "Nachricht senden …"


async def test_a_client_receives_errors_in_its_language() -> None:
    class Game(SocketRouteView):
        pass

    german = [("accept-language", "de")]
    async with SocketCommunicator(Game.as_asgi(), headers=german, dialect="method") as socket:
        await socket.send_json({"method": "fly"})
        await socket.expect_event(data={"method": ["Unbekannte Methode: fly"]}, status=400)


def test_the_console_speaks_german(settings) -> None:
    settings.DEBUG, settings.ASGI_APPLICATION = True, "tests.console.site.application"
    settings.ROOT_URLCONF = "tests.console.site"
    with translation.override("de"):
        page = index(RequestFactory().get("/sockets/")).content.decode()
    assert '<html lang="de"' in page
    assert "Das Projekt hat 3 Sockets." in page
