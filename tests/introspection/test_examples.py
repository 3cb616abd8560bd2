"""Examples of frames, filled in from serializers and signatures."""

import pytest
from rest_framework import serializers

from rest_channels.introspection.descriptions import Argument, Operation
from rest_channels.introspection.examples import example_frame, fields_of


class SeatSerializer(serializers.Serializer):
    number = serializers.IntegerField(min_value=3)
    side = serializers.ChoiceField(["left", "right"])
    note = serializers.CharField(required=False)
    taken = serializers.BooleanField(read_only=True)


class TableSerializer(serializers.Serializer):
    seat = SeatSerializer()
    opened = serializers.DateTimeField()
    tags = serializers.ListField(child=serializers.CharField())


class NeedsRequestSerializer(serializers.Serializer):
    def get_fields(self):
        return {"user": self.context["request"].user}


def test_a_frame_has_its_name_required_arguments_and_data() -> None:
    arguments = (Argument("pk", int), Argument("reason", str, ""))
    operation = Operation("move", arguments=arguments, content=SeatSerializer, has_data=True)
    assert example_frame(operation, "action") == {
        "action": "move",
        "request_id": 1,
        "pk": 1,
        "data": {"number": 3, "side": "left"},
    }


def test_a_message_with_a_type_has_its_fields_beside_it() -> None:
    operation = Operation("SIT", content=SeatSerializer)
    assert example_frame(operation, "type") == {"type": "SIT", "number": 3, "side": "left"}


def test_nested_serializers_and_lists_are_filled_in() -> None:
    operation = Operation(None, content=TableSerializer)
    assert example_frame(operation, "plain") == {
        "seat": {"number": 3, "side": "left"},
        "opened": "2026-01-31T12:00:00Z",
        "tags": ["text"],
    }


def test_a_change_of_some_fields_shows_them_all() -> None:
    operation = Operation("patch", content=SeatSerializer, has_data=True, partial=True)
    assert set(example_frame(operation, "action")["data"]) == {"number", "side", "note"}


def test_only_fields_that_clients_may_write_are_listed() -> None:
    assert list(fields_of(SeatSerializer)) == ["number", "side", "note"]


@pytest.mark.parametrize("content", [None, dict, "Seat", NeedsRequestSerializer])
def test_fields_are_unknown_without_a_serializer_that_can_be_made(content) -> None:
    assert fields_of(content) is None
