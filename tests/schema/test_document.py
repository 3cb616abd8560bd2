"""The AsyncAPI document of a project's sockets."""

import datetime
import decimal
import enum
import json
import re
import subprocess
import sys
import time
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import pytest
from django.contrib.auth.models import User
from django.urls import path
from jsonschema import Draft7Validator
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer, view_as_consumer
from rest_channels.introspection.sockets import describe_sockets
from rest_channels.mixins import ListModelMixin, PaginatedModelListMixin
from rest_channels.pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)
from rest_channels.protocol.dialects import PlainDialect
from rest_channels.routing import SocketApplication, route
from rest_channels.schema.components import Components
from rest_channels.schema.document import build_document
from rest_channels.views import SocketView
from sockets import SocketRouter
from tests.introspection.test_operations import UserViewSet

from .site import Draft, MoveSerializer, Users, UserSerializer, application


class Point(NamedTuple):
    x: int
    y: float


class Side(enum.StrEnum):
    LEFT = "left"
    RIGHT = "right"


Key = NewType("Key", int)


@pytest.fixture(scope="module")
def document():
    return build_document(describe_sockets([application])).as_dict()


def payload(document, channel, message):
    return document["channels"][channel]["messages"][message]["payload"]


def properties(document, channel, message):
    return payload(document, channel, message)["properties"]


def accepts(document, schema, value):
    whole = {"allOf": [schema], "components": document["components"]}
    return Draft7Validator(whole).is_valid(value)


def document_of(*applications):
    routes = [path(f"{at}/", each) for at, each in enumerate(applications)]
    return build_document(describe_sockets([SocketApplication(routes)])).as_dict()


def test_each_socket_is_a_channel_with_its_address_and_arguments(document) -> None:
    assert list(document["channels"]) == [
        "users",
        "tickets",
        "editor.pk",
        "table.name",
        "echo",
        "lists",
        "all.tickets",
        "all.echo",
    ]
    editor = document["channels"]["editor.pk"]
    assert (editor["address"], editor["x-dialect"]) == ("/editor/{pk}/", "method")
    assert editor["parameters"]["pk"]["x-type"] == "integer"


def test_an_action_takes_its_arguments_and_no_others(document) -> None:
    escalate = payload(document, "tickets", "escalate.request")
    assert accepts(document, escalate, {"action": "escalate", "pk": 1, "request_id": 2})
    assert not accepts(document, escalate, {"action": "escalate", "pk": "one"})
    assert not accepts(document, escalate, {"action": "escalate", "pk": 1, "why": ""})
    assert escalate["properties"]["reason"] == {"type": "string", "default": ""}


def test_a_description_is_the_docstring(document) -> None:
    assert document["channels"]["users"]["description"] == "All users."
    assert document["operations"]["tickets.escalate"]["description"] == "Escalate a ticket."


def test_an_answer_has_the_dialect_around_its_data(document) -> None:
    reply = payload(document, "tickets", "escalate.reply")
    assert reply["properties"]["data"] == {"$ref": "#/components/schemas/Ticket"}
    user = {"id": 1, "username": "ada", "last_login": None}
    ticket = {"title": "x", "parent": None, "owner": user}
    answer = {"action": "escalate", "data": ticket, "errors": [], "request_id": 1}
    assert accepts(document, reply, {**answer, "response_status": 200})
    assert not accepts(document, reply, {**answer, "response_status": 400})


def test_every_operation_may_be_answered_with_the_error_of_its_dialect(document) -> None:
    for name, dialect in {"users.create": "Action", "editor.pk.save": "Method"}.items():
        *_, error = document["operations"][name]["reply"]["messages"]
        channel = name.rpartition(".")[0]
        assert error == {"$ref": f"#/channels/{channel}/messages/error"}
        reference = payload(document, channel, "error")["$ref"]
        assert reference == f"#/components/schemas/{dialect}DialectError"


def test_a_request_has_the_fields_that_clients_write_and_an_answer_those_they_read(
    document,
) -> None:
    schemas = document["components"]["schemas"]
    assert list(schemas["UserRequest"]["properties"]) == ["username", "last_login"]
    assert list(schemas["User"]["properties"]) == ["id", "username", "last_login"]
    assert "required" not in schemas["PatchedUserRequest"]
    assert schemas["User"]["description"] == "A user, as others see them."


def test_a_request_may_leave_out_what_has_a_default_and_an_answer_has_it(document) -> None:
    assert document["components"]["schemas"]["DraftRequest"] == {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "status": {"enum": ["todo", "done"], "type": "string"},
        },
        "required": ["title"],
    }
    components = Components()
    components.schema_of(Draft, "response")
    assert components.build()["Draft"]["required"] == ["status", "title"]


def test_fields_of_an_action_without_data_are_beside_its_name(document) -> None:
    move = payload(document, "tickets", "move.request")
    assert accepts(document, move, {"action": "move", "seat": 1, "side": "left"})
    assert not accepts(document, move, {"action": "move", "seat": 0, "side": "left"})
    assert properties(document, "tickets", "move.reply")["data"] == {"type": "null"}


def test_rows_of_an_observer_are_events(document) -> None:
    assert properties(document, "tickets", "create.event")["response_status"] == {"const": 201}
    deleted = properties(document, "tickets", "delete.event")["data"]
    names = ["User", "RowKey"]
    assert deleted == {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    assert document["operations"]["tickets.create.event"]["action"] == "send"


def test_a_live_list_is_answered_with_its_rows_or_with_what_differs(document) -> None:
    data = properties(document, "lists", "subscribe_list.reply")["data"]
    ada = {"id": 1, "username": "ada", "last_login": None}
    diff = {"leave": [2], "enter": [[None, ada, "t"]], "move": [["x", [1, 2]]], "change": []}
    assert accepts(document, data, {"rows": [ada], "tags": ["t"]})
    assert accepts(document, data, diff)
    for wrong in ({"rows": [ada]}, {"rows": [1], "tags": ["t"]}, {**diff, "enter": [[ada, "t"]]}):
        assert not accepts(document, data, wrong)


def test_a_live_list_takes_what_its_queryset_and_its_filters_read(document) -> None:
    request = payload(document, "lists", "subscribe_list.request")
    every = {"query": {"search": "a"}, "have": {"1": "t"}, "shop": 1, "request_id": 1}
    assert accepts(document, request, {"action": "subscribe_list", **every})
    assert not accepts(document, request, {"action": "subscribe_list", **every, "other": 1})
    assert not accepts(document, request, {"action": "subscribe_list", "query": {}})
    end = payload(document, "lists", "unsubscribe_list.request")
    assert accepts(document, end, {"action": "unsubscribe_list", **every})


def test_what_differs_is_an_event_with_the_rows_of_all_live_lists(document) -> None:
    event = properties(document, "lists", "diff.event")
    ada, move = {"id": 1, "username": "ada", "last_login": None}, {"seat": 1, "side": "left"}
    diff = {"leave": [], "enter": [], "move": []}
    for row in (ada, move):
        assert accepts(document, event["data"], {**diff, "change": [[row, "t"]]})
    assert not accepts(document, event["data"], {**diff, "change": [[{"seat": 0}, "t"]]})
    assert event["response_status"] == {"const": 200}


def test_an_action_that_returns_a_live_query_names_it_as_its_response(document) -> None:
    data = properties(document, "lists", "watch_active.reply")["data"]
    move = {"seat": 1, "side": "left"}
    assert accepts(document, data, {"rows": [move], "tags": ["t"]})
    assert not accepts(document, data, {"rows": [{"seat": 0}], "tags": ["t"]})


def test_a_method_without_an_answer_has_only_errors(document) -> None:
    assert len(document["operations"]["editor.pk.watch"]["reply"]["messages"]) == 1
    saved = properties(document, "editor.pk", "save.reply")["data"]
    assert saved == {"type": "array", "items": {"$ref": "#/components/schemas/Move"}}


def test_a_message_with_a_type_has_its_fields_and_a_timestamp(document) -> None:
    moved = payload(document, "table.name", "MOVED.event")
    frame = {"type": "MOVED", "TIMESTAMP": "1", "seat": 1, "side": "left"}
    assert accepts(document, moved, frame)
    assert not accepts(document, moved, {**frame, "side": "up"})
    bet = payload(document, "table.name", "BET_.request")
    assert accepts(document, bet, {"type": "BET_ALL"})
    assert not accepts(document, bet, {"type": "ALL_BET_1"})


def test_a_live_list_of_a_router_is_a_message_with_its_rows_or_with_what_differs(document) -> None:
    guests = payload(document, "table.name", "GUESTS.event")
    frame, ada = (
        {"type": "GUESTS", "TIMESTAMP": "1"},
        {"id": 1, "username": "a", "last_login": None},
    )
    diff = {"leave": [2], "enter": [[None, ada, "t"]], "move": [[1, 2]], "change": [[ada, "t"]]}
    assert accepts(document, guests, {**frame, "rows": [ada], "tags": ["t"]})
    assert accepts(document, guests, {**frame, **diff})
    for wrong in ({"rows": [ada]}, {"rows": [1], "tags": ["t"]}, {**diff, "enter": [[ada, "t"]]}):
        assert not accepts(document, guests, {**frame, **wrong})


def test_a_message_that_asks_for_a_live_list_has_its_content_and_what_the_client_has(
    document,
) -> None:
    request = payload(document, "table.name", "GUESTS.request")
    assert accepts(document, request, {"type": "GUESTS", "search": "a", "have": {"1": "t"}})
    assert not accepts(document, request, {"type": "GUESTS", "search": 1})
    assert not accepts(document, request, {"type": "GUESTS", "have": [1]})
    assert document["operations"]["table.name.GUESTS"]["description"] == "The users at the table."
    stop = payload(document, "table.name", "STOP_GUESTS.request")
    assert accepts(document, stop, {"type": "STOP_GUESTS"})


def test_frames_without_a_name_are_their_content(document) -> None:
    assert payload(document, "echo", "text.request") == {"type": "string"}
    assert payload(document, "echo", "echo.event") == {
        "anyOf": [{"type": "string"}, {"type": "integer"}]
    }


def test_a_stream_has_its_name_around_each_frame(document) -> None:
    request = payload(document, "all.echo", "text.request")
    assert accepts(document, request, {"stream": "echo", "payload": "hello"})
    assert not accepts(document, request, {"stream": "tickets", "payload": "hello"})


def test_an_error_of_a_stream_is_that_of_its_class_or_of_the_multiplexer(document) -> None:
    error = payload(document, "all.echo", "error")
    closed = {"action": None, "data": None, "errors": ["Closed."], "request_id": None}
    for content in ({"status": 400}, {**closed, "response_status": 410}):
        assert accepts(document, error, {"stream": "echo", "payload": content})
    assert not accepts(document, error, {"stream": "echo", "payload": {**closed, "status": 200}})


def test_close_codes_say_whether_to_connect_again(document) -> None:
    codes = {each["code"]: each["reconnect"] for each in document["x-close-codes"]}
    assert (codes[4403], codes[4503]) == (False, True)


def test_a_server_and_a_title_are_options() -> None:
    described = build_document([], title="Shop", version="2", server="wss://example.com/live")
    built = described.as_dict()
    assert built["info"]["title"] == "Shop"
    host = {"host": "example.com", "protocol": "wss", "pathname": "/live"}
    assert built["servers"] == {"default": host}


@pytest.mark.parametrize(
    ("hint", "value", "wrong"),
    [
        (dict[str, int], {"a": 1}, {"a": "b"}),
        (list[int | None], [1, None], ["a"]),
        (tuple[int, str], [1, "a"], [1]),
        (tuple[int, ...], [1, 2], ["a"]),
        (Literal["a", 1], 1, "b"),
        (Side, "left", "up"),
        (Key, 1, "a"),
        (Annotated[int, "seconds"], 1, "a"),
        (Point, [1, 0.5], [1]),
        (int | None, None, "a"),
        (Draft | None, None, {}),
        (list[MoveSerializer], [{"seat": 1, "side": "left"}], [{}]),
        (decimal.Decimal, "1.00", 1),
        (datetime.datetime, "2026-01-31T12:00:00Z", 1),
    ],
)
def test_a_type_allows_its_values_as_they_are_rendered(hint, value, wrong) -> None:
    components = Components()
    schema = components.schema_of(hint, "response")
    document = {"components": {"schemas": components.build()}}
    assert accepts(document, schema, value)
    assert not accepts(document, schema, wrong)


def test_any_value_is_allowed_where_nothing_is_known() -> None:
    class Loose(serializers.Serializer):
        anything = serializers.JSONField(allow_null=True)
        unhinted = serializers.SerializerMethodField()
        hinted = serializers.SerializerMethodField()

        def get_unhinted(self, row): ...

        def get_hinted(self, row) -> Draft | None: ...

    components = Components()
    assert components.schema_of(Any, "response") == {}
    components.schema_of(Loose, "response")
    loose = components.build()["Loose"]["properties"]
    assert "type" not in loose["anything"]
    assert loose["unhinted"] == {"readOnly": True}
    assert {"$ref": "#/components/schemas/Draft"} in loose["hinted"]["anyOf"]


def test_a_serializer_that_needs_a_request_is_reported() -> None:
    class Needy(serializers.Serializer):
        def get_fields(self):
            return {"name": self.context["request"].user.profile}

    components = Components()
    assert components.schema_of(Needy, "request") == {}
    assert components.unknown[0].startswith("Needy: AttributeError")


def test_two_serializers_with_one_name_are_two_components() -> None:
    class MoveSerializer(serializers.Serializer):  # as in the site
        x = serializers.IntegerField()

    from .site import MoveSerializer as Other

    components = Components()
    first = components.schema_of(Other, "response")["$ref"]
    second = components.schema_of(MoveSerializer, "response")["$ref"]
    assert first != second
    assert len(components.build()) == 2


def test_a_set_as_default_has_an_order() -> None:
    class Sides(serializers.Serializer):
        sides = serializers.MultipleChoiceField(choices=["a", "b", "c"], default={"c", "a", "b"})

    components = Components()
    components.schema_of(Sides, "request")
    assert components.build()["SidesRequest"]["properties"]["sides"]["default"] == ["a", "b", "c"]


def test_a_field_may_have_the_name_of_a_key_of_openapi() -> None:
    class Odd(serializers.Serializer):
        nullable = serializers.BooleanField()
        properties = serializers.CharField()

    components = Components()
    components.schema_of(Odd, "request")
    assert list(components.build()["OddRequest"]["properties"]) == ["nullable", "properties"]


def pages(pagination_class):
    return type(
        "Pages",
        (PaginatedModelListMixin, GenericAsyncAPIConsumer),
        {
            "queryset": User.objects.all(),
            "serializer_class": UserSerializer,
            "pagination_class": pagination_class,
        },
    )


@pytest.mark.parametrize(
    ("pagination", "keys"),
    [
        (WebsocketPageNumberPagination, ["count", "page", "pages", "results"]),
        (WebsocketCursorPagination, ["next", "previous", "results"]),
        (
            type("Limited", (WebsocketLimitOffsetPagination,), {"default_limit": 5}),
            ["count", "limit", "offset", "results"],
        ),
    ],
)
def test_a_list_is_answered_with_a_page(pagination, keys) -> None:
    document = document_of(pages(pagination).as_asgi())
    assert list(properties(document, "0", "list.reply")["data"]["properties"]) == keys


def test_a_list_without_a_limit_may_be_answered_with_all_rows() -> None:
    class Whole(ListModelMixin, GenericAsyncAPIConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

    document = document_of(Whole.as_asgi(), pages(None).as_asgi())
    rows = properties(document, "0", "list.reply")["data"]
    assert rows == {"type": "array", "items": {"$ref": "#/components/schemas/User"}}
    assert properties(document, "1", "list.reply")["data"]["anyOf"][0] == rows


def test_a_view_of_drf_has_its_serializers() -> None:
    document = document_of(view_as_consumer(UserViewSet))
    assert properties(document, "0", "create.request")["data"]["$ref"].endswith("UserRequest")
    assert properties(document, "0", "retrieve.reply")["data"]["$ref"].endswith("User")


def test_paths_that_look_alike_are_two_channels() -> None:
    routes = [path("a/<b>/", Users.as_asgi()), path("a/b/", Users.as_asgi())]
    document = build_document(describe_sockets([SocketApplication(routes)])).as_dict()
    assert list(document["channels"]) == ["a.b", "a.b.2"]


def test_a_function_of_a_route_and_a_dialect_of_its_own_take_anything() -> None:
    class OwnDialect(PlainDialect):
        pass

    class Own(SocketView):
        dialect = OwnDialect()

        def receive(self, request): ...

    def on_message(message): ...

    routes = [route("websocket.receive", on_message, path="^/a/$"), path("b/", Own.as_asgi())]
    document = build_document(describe_sockets([SocketApplication(routes)])).as_dict()
    for channel in ("a", "b"):
        assert payload(document, channel, "frame.request") == {}
        assert payload(document, channel, "error") == {}


def test_a_pattern_has_no_names_that_other_languages_write_differently() -> None:
    router = SocketRouter()

    @router.route(re.compile("BET_(?P<amount>.+)"))
    def on_bet(socket, content): ...

    request = payload(document_of(router.as_asgi()), "0", "BET_.Pamount.request")
    assert request["properties"]["type"]["pattern"] == "^(?:BET_(.+))"


WRITE = """
import json, django
django.setup()
from rest_channels.introspection.sockets import describe_sockets
from rest_channels.schema.document import build_document
from tests.schema.site import application
print(json.dumps(build_document(describe_sockets([application])).as_dict()))
"""


def test_the_document_does_not_depend_on_hash_seeds(document) -> None:
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        command = [sys.executable, "-c", WRITE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == json.dumps(document)


UNUSED = """
import django, sys
django.setup()
import rest_channels.consumers, rest_channels.testing, rest_channels.routing, sockets.handlers
loaded = [name for name in sys.modules if name.startswith(("rest_channels.schema", "drf_spec"))]
assert not loaded, loaded
"""


def test_the_package_does_not_import_the_schema_before_it_is_used() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-c", UNUSED], env=environment, check=True)


def test_the_schema_of_100_routes_takes_at_most_two_seconds() -> None:
    def consumer(number):
        fields = {"fields": ["id", "username", "email", "groups", "last_login"], "model": User}
        meta = {"Meta": type("Meta", (), fields)}
        serializer = type(f"User{number}Serializer", (serializers.ModelSerializer,), meta)
        attributes = {"queryset": User.objects.all(), "serializer_class": serializer}
        return type(f"Users{number}", (Users,), attributes)

    application = SocketApplication(
        [path(f"{number}/", consumer(number).as_asgi()) for number in range(100)]
    )
    begin = time.process_time()
    document = build_document(describe_sockets([application])).as_dict()
    assert len(document["channels"]) == 100
    assert time.process_time() - begin < 2


class Parent(TypedDict):
    children: list["Parent"]


def test_a_type_may_contain_itself() -> None:
    components = Components()
    reference = components.schema_of(Parent, "response")
    assert components.build()["Parent"]["properties"]["children"]["items"] == reference
