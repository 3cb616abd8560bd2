"""The example and the tables of docs/schema.md."""

import re

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import path

from rest_channels.introspection.sockets import describe_sockets
from rest_channels.routing import SocketApplication
from rest_channels.schema.comparison import compare
from rest_channels.schema.document import build_document
from rest_channels.testing import SocketCommunicator

from .checkers import Checkers
from .test_pages import PAGES
from .test_reference_pages import rows


def document():
    application = SocketApplication([path("checkers/", Checkers.as_asgi())])
    return build_document(describe_sockets([application])).as_dict()


async def test_the_example_sends_what_its_schema_says(settings) -> None:
    settings.REST_CHANNELS = {"VALIDATE_TEST_FRAMES": True}
    async with SocketCommunicator(Checkers.as_asgi(), dialect="action") as socket:
        call = await socket.call("step", {"start": "a3", "end": "b4"})
        await socket.expect_reply(call, data={"pieces": {"b4": "white"}, "turn": "black"})
        await socket.expect_event(action="moved")
        await socket.expect_reply(await socket.call("give_up", reason="late"), status=204)
        await socket.expect_event(action="closed")


def test_the_differences_of_the_page_are_those_that_the_command_prints() -> None:
    before, after = document(), document()
    for each in (before, after):  # its board is that of the answer
        each["operations"].pop("checkers.moved.event")
    step, board = (after["components"]["schemas"][name] for name in ("StepRequest", "Board"))
    step["properties"]["speed"] = {"type": "integer"}
    step["required"].append("speed")
    del board["properties"]["turn"]
    board["properties"]["winner"] = {"type": "string"}
    printed = [str(each) for each in compare(before, after)]
    shown = PAGES["schema.md"].split("```text\n")[1].split("```")[0]
    assert sorted(printed) == sorted(shown.splitlines())


def test_the_options_of_the_command_are_listed() -> None:
    command = load_command_class(get_commands()["socket_schema"], "socket_schema")
    parser = command.create_parser("manage.py", "socket_schema")
    own = {"--format", "--output", "--check", "--title", "--version", "--server", "--client"}
    assert own <= {option for action in parser._actions for option in action.option_strings}
    listed = re.findall(r"`(--\w+)", " ".join(row[0] for row in rows("schema.md", "Option")))
    assert set(listed) == own


@pytest.mark.parametrize("hint", ["request", "response", "sends", "receives"])
def test_the_hints_are_listed(hint) -> None:
    assert f"`{hint}`" in {row[0] for row in rows("schema.md", "Hint")}
