"""What `--check` says of a schema that differs from the committed one."""

from copy import deepcopy
from typing import TypedDict

import pytest
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import IsAdminUser, IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.declarations.hints import UNKNOWN
from rest_channels.decorators import action
from rest_channels.introspection.sockets import describe_sockets
from rest_channels.routing import SocketApplication
from rest_channels.schema.comparison import compare
from rest_channels.schema.document import build_document
from rest_channels.views import SocketView

SOCKET = {"__module__": __name__}


def fields(**given):
    return type("TicketSerializer", (serializers.Serializer,), given)


def consumer(request=UNKNOWN, response=None, sends=None, name="move", function=None):
    def method(self, data): ...

    function = method if function is None else function
    decorated = action(name=name, request=request, response=response)(function)
    attributes = {"run": decorated, "sends": sends, **SOCKET}
    return type("Tickets", (AsyncAPIConsumer,), attributes)


def document(*classes):
    routes = [path(f"{at}/", each.as_asgi()) for at, each in enumerate(classes)]
    return build_document(describe_sockets([SocketApplication(routes)])).as_dict()


def differences(before, after):
    return [str(each) for each in compare(document(before), document(after))]


def permitted(*classes, action_classes=None):
    @action(permission_classes=classes if action_classes is None else action_classes)
    def move(self): ...

    attributes = {"move": move, "permission_classes": classes, **SOCKET}
    return type("Tickets", (AsyncAPIConsumer,), attributes)


def test_a_new_permission_class_breaks_clients_and_a_removed_one_does_not() -> None:
    free, members = permitted(), permitted(IsAuthenticated)
    assert differences(free, members) == [
        "breaking: /0/ handshake: needs IsAuthenticated",
        "breaking: /0/ move request: needs IsAuthenticated",
    ]
    assert [each.partition(": ")[0] for each in differences(members, free)] == ["additive"] * 2
    assert differences(members, members) == []


def test_the_permission_classes_of_an_action_are_compared() -> None:
    found = differences(permitted(), permitted(action_classes=[IsAuthenticated | IsAdminUser]))
    assert found == ["breaking: /0/ move request: needs (IsAuthenticated | IsAdminUser)"]


text, number = serializers.CharField, serializers.IntegerField
choice = serializers.ChoiceField

REQUESTS = [
    ({"a": text()}, {"a": text(), "b": text()}, "breaking: {}.b: is new and required"),
    ({"a": text()}, {"a": text(), "b": text(required=False)}, "additive: {}.b: is new"),
    ({"a": text()}, {"b": text(required=False)}, "breaking: {}.a: was removed"),
    ({"a": text()}, {"a": number()}, "breaking: {}.a: is integer, and was string"),
    ({"a": text()}, {"a": text(allow_null=True)}, "additive: {}.a: is null or string"),
    ({"a": text(allow_null=True)}, {"a": text()}, "breaking: {}.a: is string"),
    ({"a": text()}, {"a": text(required=False)}, "additive: {}.a: may be missing"),
    ({"a": text(required=False)}, {"a": text()}, "breaking: {}.a: is required"),
    ({"a": text()}, {"a": text(max_length=5)}, "breaking: {}.a: maxLength is 5"),
    ({"a": number(min_value=5)}, {"a": number(min_value=2)}, "additive: {}.a: minimum is 2"),
    ({"a": choice(["x", "y"])}, {"a": choice(["x"])}, 'breaking: {}.a: the value "y" was removed'),
    ({"a": choice(["x"])}, {"a": choice(["x", "y"])}, 'additive: {}.a: the value "y" is new'),
    ({"a": choice(["x"])}, {"a": text()}, "additive: {}.a: may have any value"),
    ({"a": fields(x=text())()}, {"a": fields(x=number())()}, "breaking: {}.a.x: is integer"),
]
RESPONSES = [
    ({"a": text()}, {"a": text(), "b": text()}, "additive: {}.b: is new"),
    ({"a": text(), "b": text()}, {"a": text()}, "breaking: {}.b: was removed"),
    ({"a": text()}, {"a": number()}, "breaking: {}.a: is integer, and was string"),
    ({"a": text()}, {"a": text(allow_null=True)}, "breaking: {}.a: is null or string"),
    ({"a": text(allow_null=True)}, {"a": text()}, "additive: {}.a: is string"),
    ({"a": text()}, {"a": text(required=False)}, "breaking: {}.a: may be missing"),
    ({"a": text(required=False)}, {"a": text()}, "additive: {}.a: is required"),
    ({"a": choice(["x", "y"])}, {"a": choice(["x"])}, 'breaking: {}.a: the value "y" was removed'),
    ({"a": choice(["x"])}, {"a": choice(["x", "y"])}, 'additive: {}.a: the value "y" is new'),
    ({"a": text(max_length=5)}, {"a": text()}, "breaking: {}.a: maxLength is absent"),
]


@pytest.mark.parametrize(("before", "after", "expected"), REQUESTS)
def test_a_request_may_demand_no_more_than_before(before, after, expected) -> None:
    found = differences(consumer(fields(**before)), consumer(fields(**after)))
    assert found[0].startswith(expected.format("/0/ move request.data"))


@pytest.mark.parametrize(("before", "after", "expected"), RESPONSES)
def test_an_answer_may_have_no_less_than_before(before, after, expected) -> None:
    found = differences(consumer(UNKNOWN, fields(**before)), consumer(UNKNOWN, fields(**after)))
    assert found[0].startswith(expected.format("/0/ move answer.data"))


def test_messages_that_the_server_sends_are_compared_like_answers() -> None:
    before = consumer(sends={"moved": fields(a=text()), "gone": None})
    after = consumer(sends={"moved": fields(a=number()), "new": None})
    assert differences(before, after) == [
        "breaking: /0/ gone event: was removed",
        "breaking: /0/ moved event.data.a: is integer, and was string",
        "additive: /0/ new event: is new",
    ]


def test_a_removed_action_breaks_and_a_new_one_does_not() -> None:
    assert differences(consumer(name="move"), consumer(name="shift")) == [
        "breaking: /0/ move answer: was removed",
        "breaking: /0/ move request: was removed",
        "additive: /0/ shift answer: is new",
        "additive: /0/ shift request: is new",
    ]


def test_a_new_required_argument_breaks_and_an_optional_one_does_not() -> None:
    class Before(AsyncAPIConsumer):
        @action()
        def move(self, pk): ...

    class After(AsyncAPIConsumer):
        @action()
        def move(self, pk, seat, side="left"): ...

    assert differences(Before, After) == [
        "breaking: /0/ move request.seat: is new and required",
        "additive: /0/ move request.side: is new",
    ]


def test_a_removed_socket_breaks_and_a_new_one_does_not() -> None:
    one, two = document(consumer()), document(consumer(), consumer())
    assert list(map(str, compare(two, one))) == ["breaking: /1/: was removed"]
    assert list(map(str, compare(one, two))) == ["additive: /1/: is new"]


def test_another_dialect_breaks() -> None:
    class Editor(SocketView):
        pass

    expected = "breaking: /0/: has the dialect plain, not action"
    assert expected in differences(consumer(), Editor)


def test_types_inside_lists_dicts_and_unions_are_compared() -> None:
    class Before(TypedDict):
        a: list[int]
        b: dict[str, int]
        c: int | str
        d: tuple[int, int]

    class After(TypedDict):
        a: list[str]
        b: dict[str, str]
        c: int | str | bool
        d: tuple[int, str]

    assert differences(consumer(UNKNOWN, Before), consumer(UNKNOWN, After)) == [
        "breaking: /0/ move answer.data.a[]: is string, and was integer",
        "breaking: /0/ move answer.data.b[…]: is string, and was integer",
        "breaking: /0/ move answer.data.c: may be more kinds of values",
        "breaking: /0/ move answer.data.d[1]: is string, and was integer",
    ]


def test_texts_names_and_titles_make_no_difference() -> None:
    class Renamed(serializers.Serializer):
        a = text(help_text="What it is.", label="The first")

    before, after = consumer(fields(a=text())), consumer(Renamed)
    assert differences(before, after) == []
    written = document(before)
    written["info"]["version"] = "2"
    assert compare(written, document(before)) == []


def test_a_type_that_contains_itself_is_compared_once() -> None:
    class Node(TypedDict):
        inner: "list[Node]"

    before = document(consumer(UNKNOWN, Node))
    after = deepcopy(before)
    after["components"]["schemas"]["Node"]["properties"]["name"] = {"type": "string"}
    assert list(map(str, compare(before, after))) == ["additive: /0/ move answer.data.name: is new"]
