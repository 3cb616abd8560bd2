"""Every attribute, method and option that users of Channels, DCRF, DRF and Django write.

For each it is known which classes honour it, and what the others say. docs/migrating.md has the
tables; `scripts/print_attributes.py` prints them.
"""

from inspect import isfunction
from typing import Any

from django.contrib.auth.models import User
from rest_framework.throttling import BaseThrottle

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.declarations.pagination import PAGINATION_NAMES
from rest_channels.declarations.unsupported import (
    ACTION_OPTIONS,
    ATTRIBUTES,
    METHODS,
    OPTIONS,
)
from rest_channels.declarations.values import VALUES
from rest_channels.history import History
from rest_channels.pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)
from rest_channels.protocol.dialects import PlainDialect
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler

CLASSES = (SocketView, SocketConsumer, AsyncAPIConsumer, ModelConsumer, RoutedSocketHandler)
PAGINATIONS = (
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
    WebsocketCursorPagination,
)

VALID = {
    "channel_layer_alias": "other",
    "check_deliveries": True,
    "dialect": PlainDialect(),
    "groups": ["lobby"],
    "histories": {"note-*": History()},
    "http_user": True,
    "lookup_field": "username",
    "lookup_url_kwarg": "name",
    "observer_many_to_many_relationships": True,
    "live_limit": 10,
    "login_required": True,
    "queryset": User.objects.none(),
    "receives": {"HELLO": str},
    "routes": (),
    "max_limit": 5,
    "max_page_size": 5,
    "offset_cutoff": 5,
    "page_size": 5,
    "default_limit": 5,
    "cursor_query_param": "at",
    "page_query_param": "at",
    "page_size_query_param": "at",
    "schema": None,
    "sends": {"note": str},
    "sleep_time_between_pages": 1.0,
    "throttle_classes": [BaseThrottle],
    "throttle_scope": "notes",
}
"""A value of each attribute that `[]` or `None` does not fit."""

GENERICS, TABLE = "tests/test_generics.py", "tests/field/test_a_table.py"

HONOURED = {
    "authentication_classes": "tests/test_authentication.py::"
    "test_basic_and_session_authentication_work",
    "bytes_parser_class": f"{TABLE}::test_parsers_and_renderers_of_a_view_are_used",
    "bytes_renderer_class": f"{TABLE}::test_parsers_and_renderers_of_a_view_are_used",
    "check_deliveries": "tests/observer/test_privacy.py::"
    "test_a_user_permission_that_is_removed_rejects_the_next_delivery",
    "dialect": f"{TABLE}::test_a_dialect_of_a_view_is_used",
    "filter_backends": f"{TABLE}::test_an_action_may_set_what_filter_backends_read",
    "groups": "tests/test_socket_consumer.py::"
    "test_a_consumer_joins_its_groups_before_connect_and_handles_events_by_type",
    "histories": "tests/recovery/test_views.py::"
    "test_a_client_that_comes_back_receives_what_it_missed",
    "http_user": f"{TABLE}::test_http_user_cannot_be_switched_off",
    "live_limit": "tests/live/test_list.py::"
    "test_a_window_shows_the_row_that_comes_after_one_that_left",
    "login_required": "tests/sockets/test_handlers.py::"
    "test_with_login_required_an_anonymous_client_receives_only_reconnect",
    "lookup_field": f"{GENERICS}::test_a_consumer_finds_rows_by_its_lookup_field_and_argument_name",
    "lookup_url_kwarg": f"{GENERICS}::"
    "test_a_consumer_finds_rows_by_its_lookup_field_and_argument_name",
    "observer_many_to_many_relationships": "tests/observer/test_observers.py::"
    "test_a_consumer_with_many_to_many_observation_receives_relations",
    "pagination_class": f"{GENERICS}::test_page_number_pagination_answers_with_pages_by_number",
    "permission_classes": "tests/field/test_a_guards.py::"
    "test_permission_classes_of_an_action_replace_those_of_the_class",
    "queryset": "tests/field/test_a_guards.py::"
    "test_an_action_may_have_a_queryset_a_serializer_and_filters_of_its_own",
    "receives": "tests/introspection/test_hints.py::"
    "test_receives_describes_the_frames_of_a_view_or_a_consumer",
    "routes": "tests/sockets/test_handlers.py::"
    "test_a_route_with_a_serializer_passes_the_validated_data",
    "sends": "tests/introspection/test_hints.py::test_sends_lists_what_the_server_sends",
    "serializer_class": "tests/field/test_a_guards.py::"
    "test_an_action_may_have_a_queryset_a_serializer_and_filters_of_its_own",
    "sleep_time_between_pages": f"{GENERICS}::"
    "test_a_client_can_send_frames_during_a_stream_and_cancel_it",
    "text_parser_class": f"{TABLE}::test_parsers_and_renderers_of_a_view_are_used",
    "text_renderer_class": f"{TABLE}::test_parsers_and_renderers_of_a_view_are_used",
    "throttle_classes": "tests/field/test_a_guards.py::"
    "test_throttle_classes_of_an_action_are_counted",
    "throttle_scope": f"{TABLE}::test_the_throttle_scope_of_an_action_is_read_by_drf",
}
"""The test that shows that an attribute has an effect."""

DCRF = {  # of release 1.3, which is not installed
    "attributes": [
        "actions",
        "available_actions",
        "detached_tasks",
        "groups",
        "lookup_field",
        "lookup_url_kwarg",
        "observer_many_to_many_relationships",
        "pagination_class",
        "permission_classes",
        "queryset",
        "serializer_class",
        "view",
    ],
    "methods": [
        "add_group",
        "check_permissions",
        "filter_queryset",
        "get_action_name",
        "get_object",
        "get_paginated_response",
        "get_permissions",
        "get_queryset",
        "get_serializer",
        "get_serializer_class",
        "get_serializer_context",
        "get_view_args",
        "handle_action",
        "handle_detached_task_completion",
        "handle_exception",
        "handle_instance_change",
        "handle_observed_action",
        "paginate_queryset",
        "receive_json",
        "remove_group",
        "reply",
        "subscribed_requests",
        "websocket_connect",
        "websocket_disconnect",
    ],
}

NOT_DECLARED = {
    "_allowed_methods": "internal",
    "actions": "is an argument of view_as_consumer()",
    "as_view": "makes the application: as_asgi()",
    "detached_tasks": "is set by the library in each instance",
    "get_extra_action_url_map": "describes URLs",
    "get_extra_actions": "describes URLs",
    "get_format_suffix": "describes URLs",
    "get_view_description": "describes the page of the browsable API",
    "get_view_name": "describes the page of the browsable API",
    "options": "answers an HTTP method",
    "reverse_action": "describes URLs",
    "settings": "is read, and not written",
    "setup": "a frame makes no new view",
    "view": "is an argument of view_as_consumer()",
    "view_is_async": "is read, and not written",
}
"""Public names of the other packages that configure and guard nothing."""


def honours(base: type, name: str) -> bool:
    """Return whether a class derived from `base` may have the attribute or method `name`."""
    value = (lambda self: None) if name in METHODS else VALID.get(name, [])
    if name.endswith("_class") and name not in VALID:
        value = None
    try:
        type("Probe", (base,), {name: value, "__module__": "project"})
    except TypeError as error:
        if f"Probe.{name} has no effect: " not in str(error):
            raise
        return False
    return True


def table(names: dict[str, str], classes: tuple[type, ...] = CLASSES) -> str:
    """Return a table of the `classes` that honour `names`, and of what the others say."""
    head = ["name", *(f"`{cls.__name__}`" for cls in classes), "where it is refused, write"]
    rows = [head, ["---"] * len(head)]
    for name in sorted(names):
        marks = ["yes" if honours(cls, name) else "–" for cls in classes]
        rows.append([f"`{name}`", *marks, "" if "–" not in marks else names[name]])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


HONOURED_OPTIONS = {
    "@action": dict.fromkeys(ACTION_OPTIONS, "replaces the attribute while the action runs"),
    "@socket_route": {
        "name": "the name that frames use",
        "request": "describes `data` in schemas",
        "response": "describes the answer in schemas",
    },
    "@observer": {
        "sender": "only signals of this sender",
        "weak": "as in the signal's `connect`",
        "dispatch_uid": "as in the signal's `connect`",
    },
    "@model_observer": {
        "serializer_class": "makes the data of the frames",
        "many_to_many": "a changed relation is an update of the row",
        "partition": "a part of the observer's id",
    },
    "@live_query": {
        "serializer_class": "makes the rows of the frames",
        "viewers": "only the lists of users who see a changed row are read",
        "reread": "seconds after which the rows are read again in any case",
    },
}
NEXT_TO = {
    "@action": ", next to `atomic`, `detached`, `name`, `http_method`, `detail`, and to `request` "
    "and `response`, which describe frames",
    "@model_observer": ", next to the model",
    "@observer": ", next to the signal",
}


def options(decorator: str) -> str:
    """Return a table of the options of a decorator."""
    rows = [["option", "effect"], ["---", "---"]]
    rows += [[f"`{name}`", text] for name, text in HONOURED_OPTIONS[decorator].items()]
    rows += [[f"`{name}`", f"`TypeError`: {text}"] for name, text in OPTIONS[decorator].items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def settable(cls: Any, name: str) -> bool:
    """Return whether `as_asgi()` of a class, and `as_view()` if there is one, take `name`."""
    makers = [cls.as_asgi, getattr(cls, "as_view", cls.as_asgi)]
    for make in makers:
        try:
            make(**{name: VALID.get(name, None if name.endswith("_class") else [])})
        except TypeError as error:
            if name not in str(error):
                raise
            return False
    return True


def arguments() -> str:
    """Return a table of the arguments of `as_asgi()` and `as_view()`."""
    rows = [["argument", *(f"`{cls.__name__}`" for cls in CLASSES)], ["---"] * (1 + len(CLASSES))]
    rows += [
        [f"`{name}`", *("yes" if settable(cls, name) else "–" for cls in CLASSES)]
        for name in sorted(VALUES)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page() -> str:
    """Return the tables of docs/migrating.md."""
    attributes = {**dict.fromkeys(VALUES, ""), **ATTRIBUTES}
    return "\n\n".join(
        [
            "Class attributes:",
            table(attributes),
            "Methods:",
            table(METHODS),
            *(
                text
                for name in OPTIONS
                for text in (f"Options of `{name}`{NEXT_TO.get(name, '')}:", options(name))
            ),
            "Arguments of `as_asgi()`, and of `as_view()` of a `SocketView`, next to attributes of "
            "your own. Others are a `TypeError`: declare them in a subclass.",
            arguments(),
            "Attributes and methods of pagination classes, next to `paginate_queryset` and "
            "`get_paginated_response`:",
            table(PAGINATION_NAMES, PAGINATIONS),
        ]
    )


def public_names(*classes: type) -> dict[str, bool]:
    """Return the public names of `classes`, and whether they are methods."""
    return {
        name: isfunction(getattr(cls, name)) or hasattr(getattr(cls, name), "__func__")
        for cls in classes
        for name in dir(cls)
        if not name.startswith("_")
    }
