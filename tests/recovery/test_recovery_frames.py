"""The control frames of recovery, without I/O."""

import json

import pytest
from django.test import override_settings

from rest_channels.protocol.messages import Position
from rest_channels.protocol.recovery_frames import (
    MAX_TAGS,
    joined_frame,
    read_resume,
    resumed_frame,
    tag_of,
    with_position,
)


def test_a_tag_has_eight_characters_and_does_not_contain_the_name():
    assert len(tag_of("board-7")) == 8
    assert tag_of("board-7") == tag_of("board-7") != tag_of("board-8")
    assert "board" not in tag_of("board-7")


def test_a_tag_needs_the_secret_key():
    tag = tag_of("board-7")
    with override_settings(SECRET_KEY="another"):
        assert tag_of("board-7") != tag


@pytest.mark.parametrize("content", [{}, {"a": 1}, {"a": {"b": [1, "é"]}}, {"type": "x", "$a": 1}])
def test_an_object_keeps_its_keys_beside_its_position(content):
    for text in (json.dumps(content), json.dumps(content, indent=2)):
        found = json.loads(with_position(text, "k3f9a1qz", 46))
        assert found == {"$at": "k3f9a1qz.46", **content}


@pytest.mark.parametrize("content", [[], [1], "text", 1.5, None, True, [{"a": 1}]])
def test_what_is_no_object_is_data(content):
    found = json.loads(with_position(json.dumps(content), "k3f9a1qz", 46))
    assert found == {"$at": "k3f9a1qz.46", "$data": content}


@pytest.mark.parametrize("text", ["<a/>", "", "NaN", "plain \ud800 text", ' {"a": '])
def test_what_is_no_json_is_text(text):
    found = json.loads(with_position(text, "k3f9a1qz", 46))
    assert found == {"$at": "k3f9a1qz.46", "$data": text}


def test_an_object_after_a_space_is_data():
    found = json.loads(with_position(' {"a": 1}', "k3f9a1qz", 1))
    assert found == {"$at": "k3f9a1qz.1", "$data": {"a": 1}}


def test_the_frames_of_the_server_are_json():
    assert json.loads(joined_frame("tag", Position("e", 4))) == {"$joined": {"tag": ["e", 4]}}
    assert json.loads(resumed_frame({"tag": "ok"})) == {"$resumed": {"tag": "ok"}}


def test_what_a_client_has_is_read():
    text = json.dumps({"$resume": {"a": ["e", 4], "b": ["f", 0]}})
    assert read_resume(text) == {"a": ("e", 4), "b": ("f", 0)}
    assert read_resume('{"$resume": {}}') == {}


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"$resume": []},
        {"$resume": {"a": 1}, "b": 2},
        {"$resume": {"a": ["e"]}},
        {"$resume": {"a": ["e", "4"]}},
        {"$resume": {"a": ["e", 4.0]}},
        {"$resume": {"a": ["e", True]}},
        {"$resume": {"a": ["e", None]}},
        {"$resume": {"a": [1, 4]}},
        {"$resume": {"a": ["e", 4, 5]}},
        {"$resume": {"a": ["e", 10**30]}},
        {"$resume": {str(number): ["e", 4] for number in range(MAX_TAGS + 1)}},
    ],
)
def test_other_frames_are_no_request(content):
    assert read_resume(json.dumps(content)) is None


@pytest.mark.parametrize("text", ["", "{", '{"$resume"', '"$resume"', "\ud800"])
def test_text_that_is_no_json_is_no_request(text):
    assert read_resume(text) is None
