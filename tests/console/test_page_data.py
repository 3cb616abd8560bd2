"""What the pages of the console show, with and without their script."""

import datetime
import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.urls import set_script_prefix
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication

import rest_channels
from rest_channels.console.close_codes import close_codes
from rest_channels.console.pages import page_data
from rest_channels.console.texts import TEXTS
from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import CloseCode
from rest_channels.introspection.routes import Entry
from rest_channels.introspection.sockets import describe_entry
from rest_channels.mixins import CreateModelMixin
from rest_channels.multiplexer import Multiplexer
from sockets import SocketRouter

SCRIPT = Path(rest_channels.__file__).parent / "static/rest_channels/console/console.js"


class TicketSerializer(serializers.Serializer):
    title = serializers.CharField(max_length=80, help_text="What is <b>wrong</b>.")
    level = serializers.ChoiceField([(datetime.date(2026, 1, 31), "today"), ("low", "low")])
    seats = serializers.IntegerField(min_value=1, required=False, label="Number of seats")


class Tickets(CreateModelMixin, GenericAsyncAPIConsumer):
    """The tickets of a shop.

    They are shown
    to all.

        >>> Ticket()
    """

    serializer_class = TicketSerializer

    @action()
    def escalate(self, pk: int, reason="none", loud=False, note=None):
        """Escalate a ticket: <script>alert(1)</script> `<i>now</i>`, or ``later`` `."""


def described(target, **values):
    return describe_entry(Entry("path(…)", target, path="/tickets/", **values))


@pytest.fixture
def data():
    return page_data([described(Tickets.as_asgi())], None)


@pytest.fixture
def page(data):
    return render_to_string("rest_channels/console.html", {"content": data})


def operation(data, name):
    return next(each for each in data["sockets"][0]["operations"] if each["name"] == name)


def test_a_docstring_has_paragraphs_and_code(data) -> None:
    socket = data["sockets"][0]
    assert socket["summary"] == [{"text": "The tickets of a shop.", "isCode": False}]
    assert [(block["spans"][0]["text"], block["isCode"]) for block in socket["blocks"]] == [
        ("The tickets of a shop.", False),
        ("They are shown to all.", False),
        ("    >>> Ticket()", True),
    ]


def test_words_in_backquotes_are_code_and_a_single_backquote_is_text(data) -> None:
    spans = operation(data, "escalate")["summary"]
    assert [span["text"] for span in spans if span["isCode"]] == ["<i>now</i>", "later"]
    assert spans[-1] == {"text": " `.", "isCode": False}


def test_code_in_a_docstring_is_shown_as_code_and_never_becomes_html(page) -> None:
    assert page.count("<code>&lt;i&gt;now&lt;/i&gt;</code>") == 2  # the summary, and the text
    assert page.count("<code>later</code>") == 2
    assert "<i>now" not in page


def test_the_token_of_a_class_without_authenticators_is_not_asked_for(page) -> None:
    assert 'name="token"' not in page
    assert "token" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_a_class_with_authenticators_and_one_that_is_not_known_take_a_token() -> None:
    class Members(Tickets):
        authentication_classes = [BaseAuthentication]

    async def other(scope, receive, send): ...

    assert page_data([described(Members.as_asgi())], None)["takesToken"]
    assert page_data([described(Tickets.as_asgi()), described(other)], None)["takesToken"]
    page = render_to_string(
        "rest_channels/console.html", {"content": page_data([described(other)], None)}
    )
    assert 'name="token"' in page


def test_limits_and_defaults_are_words(data) -> None:
    title, _level, seats = operation(data, "create")["fields"]
    assert (title["limits"], seats["limits"]) == (["at most 80 characters"], ["at least 1"])
    defaults = [each["default"] for each in operation(data, "escalate")["arguments"]]
    assert defaults == ["", '"none"', "false", ""]


def test_a_label_is_shown_unless_it_repeats_the_name(data) -> None:
    title, _level, seats = operation(data, "create")["fields"]
    assert (title["label"], seats["label"]) == ("", "Number of seats")


def test_choices_that_json_lacks_are_shown_as_text(data) -> None:
    create = operation(data, "create")
    assert create["fields"][1]["choices"] == [("2026-01-31", "today"), ("low", "low")]
    assert create["example"]["data"]["level"] == "2026-01-31"


def test_the_page_lists_all_frames_without_its_script(page) -> None:
    text = re.sub(r"<script.*?</script>|<template.*?</template>", "", page, flags=re.DOTALL)
    for shown in ("escalate", "Escalate a ticket", "create", "at most 80 characters", "required"):
        assert shown in text
    assert "&quot;action&quot;: &quot;escalate&quot;" in text
    assert "2026-01-31 (today), low" in " ".join(text.split())


def test_a_live_list_of_a_router_is_shown_with_its_rows() -> None:
    router = SocketRouter()

    @router.live("TICKETS", serializer_class=TicketSerializer)
    def tickets(socket, content):
        """The tickets that are open."""

    content = page_data([described(router.as_asgi())], None)
    page = render_to_string("rest_channels/console.html", {"content": content})
    for shown in ("TICKETS", "The tickets that are open.", "LiveRows[TicketSerializer]", "have"):
        assert shown in page


def test_text_of_the_project_never_becomes_html(page) -> None:
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>wrong" not in page


def test_examples_of_a_stream_are_in_its_payload() -> None:
    multiplexer = Multiplexer(tickets=Tickets.as_asgi())
    stream = described(multiplexer.applications["tickets"], stream="tickets")
    text = operation(page_data([stream], None), "escalate")["exampleText"]
    assert text.startswith('{\n  "stream": "tickets",\n  "payload": {\n    "action": "escalate"')


def test_the_path_of_a_site_below_a_prefix_is_known() -> None:
    set_script_prefix("/shop/")
    try:
        assert page_data([], None)["prefix"] == "/shop"
    finally:
        set_script_prefix("/")


def test_every_close_code_says_what_it_means_and_what_to_do() -> None:
    codes = close_codes()
    assert {int(code) for code in CloseCode} <= codes.keys()
    assert codes[4403]["name"] == "forbidden"
    assert all(each["meaning"] and each["advice"] for each in codes.values())


def test_the_script_says_only_what_can_be_translated() -> None:
    calls = set(re.findall(r'\bsay\((?:\w+ \? )?"(\w+)"(?: : "(\w+)")?', SCRIPT.read_text()))
    said = {name for call in calls for name in call if name}
    chosen = {"received", "event", "json", "text", "bytes"}  # by the kind of a frame
    chosen |= {"state_closed", "state_closing", "state_connecting", "state_open"}
    chosen |= {"cancel", "connect", "disconnect", "copied", "notCopied"}
    assert said | chosen == TEXTS.keys()
