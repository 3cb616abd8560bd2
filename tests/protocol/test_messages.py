"""The immutable records that the packages exchange."""

import ast
import sys
from pathlib import Path

import pytest

from rest_channels.protocol import messages
from rest_channels.protocol.messages import Call, Event, Reply, utf8_size


@pytest.mark.parametrize("record", [Call("a"), Reply(Call("a")), Event("g")], ids=str)
def test_records_are_immutable(record) -> None:
    with pytest.raises(AttributeError):
        setattr(record, record._fields[0], "other")
    with pytest.raises(AttributeError):
        record.something = 1


def test_a_call_may_have_no_name_no_data_and_no_request_id() -> None:
    assert Call(None) == (None, None, None)


def test_a_reply_without_errors_is_a_success() -> None:
    reply = Reply(Call("a"), {"x": 1})
    assert (reply.status, reply.errors, reply.call.name) == (200, None, "a")


def test_an_event_by_default_sends_nothing_and_closes_nothing() -> None:
    event = Event("room")
    assert (event.data, event.text, event.binary, event.close) == (None, None, None, None)
    assert event.accept is False


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("abc", 3), ("ä", 2), ("€", 3), ("😀", 4), ("a😀", 5)]
)
def test_utf8_size_counts_the_bytes_of_a_text_in_utf_8(text, size) -> None:
    assert utf8_size(text) == size == len(text.encode())


def test_utf8_size_counts_a_lone_surrogate() -> None:
    assert utf8_size("\ud800") == 3


def test_the_messages_module_imports_only_the_standard_library() -> None:
    tree = ast.parse(Path(messages.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        names = (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
        assert getattr(node, "level", 0) == 0
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)
