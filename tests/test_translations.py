"""The German texts of both apps: complete, compiled, and shown to users and clients."""

import gettext
import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
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
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext_lazy": ((1, "c"), 2),
}
"""What marks a text, with its arguments that are texts, as in `makemessages`."""


def messages(app):
    """Return the texts of the readable file, without its header."""
    with (ROOT / app / f"{CATALOG}.po").open("rb") as file:
        return [message for message in read_po(file) if message.id]


def pairs(message):
    """Return the original and the translation of a text, twice if it has a plural."""
    if message.pluralizable:
        return list(zip(message.id, message.string, strict=True))
    return [(message.id, message.string)]


def placeholders(text):
    return sorted(re.findall(r"%\(\w+\)\w|%[srd]|\{\w+\}", text))


@pytest.mark.parametrize("app", APPS)
def test_every_text_is_translated_with_the_same_placeholders(app) -> None:
    found = messages(app)
    assert len(found) > 50
    for message in found:
        assert not message.fuzzy, message
        for original, translated in pairs(message):
            assert translated
            assert placeholders(translated) == placeholders(original)


@pytest.mark.parametrize("app", APPS)
def test_the_compiled_texts_are_those_of_the_readable_file(app) -> None:
    with (ROOT / app / f"{CATALOG}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in messages(app):
        if message.pluralizable:
            found = [compiled.ngettext(*message.id, number) for number in (1, 2)]
        elif message.context:
            found = [compiled.pgettext(message.context, message.id)]
        else:
            found = [compiled.gettext(message.id)]
        how = "Run django-admin compilemessages, as CONTRIBUTING.md says."
        assert found == [translated for _original, translated in pairs(message)], how


@pytest.mark.parametrize("app", APPS)
def test_every_marked_text_is_in_the_file(app) -> None:
    known = {(message.context, message.id) for message in messages(app)}
    assert known == {*marked_texts(ROOT / app)}, "Run django-admin makemessages."


def marked_texts(folder):
    """Yield the context and the text of each mark that `makemessages` would find."""
    for path in [*folder.rglob("*.html"), *folder.rglob("*.py"), *folder.rglob("*.txt")]:
        source = path.read_text()
        code = source if path.suffix == ".py" else translation.templatize(source)
        for _line, text, _comments, context in extract("python", BytesIO(code.encode()), KEYWORDS):
            yield context, text


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
