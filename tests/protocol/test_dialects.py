"""The four dialects. Each frame is compared with the one that the original library sends."""

import json
import time

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError

from rest_channels.exceptions import HandlerNotFound
from rest_channels.protocol.dialects import ActionDialect, MethodDialect, PlainDialect, TypeDialect
from rest_channels.protocol.messages import Call, Reply
from rest_channels.renderers import JSONRenderer

NAMED_DIALECTS = [(ActionDialect(), "action"), (MethodDialect(), "method"), (TypeDialect(), "type")]
NOT_OBJECTS = [None, True, 0, 1.5, "text", "", [], [{"action": "a"}], b"bytes"]


def error_answer(dialect, content, status=405):
    """Return the answer to `content`, whose name leads to no handler."""
    call = dialect.parse_call(content)
    error = dialect.handler_not_found(call)
    assert error.status_code == status
    return dialect.build_reply(Reply(call, status=status, errors=error.detail))


# All dialects


@pytest.mark.parametrize(("dialect", "key"), NAMED_DIALECTS)
@pytest.mark.parametrize("content", NOT_OBJECTS)
def test_a_named_dialect_rejects_a_frame_that_is_not_an_object(dialect, key, content) -> None:
    with pytest.raises(ParseError, match="must hold a JSON object"):
        dialect.parse_call(content)


@pytest.mark.parametrize(("dialect", "key"), NAMED_DIALECTS)
@pytest.mark.parametrize("name", [None, True, 5, 1.5, "", [], ["a"], {}, {"a": 1}, "x" * 257])
def test_a_dialect_reads_an_invalid_name_as_none(dialect, key, name) -> None:
    assert dialect.parse_call({key: name}).name is None
    assert dialect.parse_call({}).name is None


@pytest.mark.parametrize(("dialect", "key"), NAMED_DIALECTS)
def test_a_dialect_accepts_256_characters_of_a_name_or_the_limit_set(dialect, key) -> None:
    assert dialect.parse_call({key: "x" * 256}).name == "x" * 256
    with override_settings(REST_CHANNELS={"MAX_NAME_LENGTH": 3}):
        assert dialect.parse_call({key: "fly"}).name == "fly"
        assert dialect.parse_call({key: "walk"}).name is None


@pytest.mark.parametrize(("dialect", "key"), [*NAMED_DIALECTS, (PlainDialect(), "any")])
@pytest.mark.parametrize("request_id", [0, 1, -1.5, "", "a", False, True, [1], {"a": [None]}, []])
def test_an_error_answer_repeats_the_request_id_of_any_type(dialect, key, request_id) -> None:
    call = dialect.parse_call({key: "a", "request_id": request_id})
    answer = dialect.build_reply(Reply(call, status=400, errors="no"))
    assert answer["request_id"] == request_id
    assert type(answer["request_id"]) is type(request_id)


@pytest.mark.parametrize(("dialect", "key"), [*NAMED_DIALECTS, (PlainDialect(), "any")])
def test_building_a_reply_changes_neither_the_data_nor_the_errors(dialect, key) -> None:
    data, errors = {"a": 1}, {"b": ["no"]}
    call = Call("a", request_id=5)
    dialect.build_reply(Reply(call, data))
    dialect.build_reply(Reply(call, status=400, errors=errors))
    assert (data, errors) == ({"a": 1}, {"b": ["no"]})


# Action


def test_the_action_dialect_gives_the_whole_frame_to_the_handler() -> None:
    frame = {"action": "retrieve", "request_id": 7, "pk": 1}
    assert ActionDialect().parse_call(frame) == Call("retrieve", frame, 7)


def test_the_action_dialect_always_answers_with_the_same_five_keys() -> None:
    assert ActionDialect().build_reply(Reply(Call("create", request_id="r"), {"pk": 1}, 201)) == {
        "errors": [],
        "data": {"pk": 1},
        "action": "create",
        "response_status": 201,
        "request_id": "r",
    }
    assert ActionDialect().build_reply(Reply(Call("delete"), None, 204)) == {
        "errors": [],
        "data": None,
        "action": "delete",
        "response_status": 204,
        "request_id": None,
    }


def test_the_action_dialect_rejects_a_frame_without_an_action() -> None:
    assert error_answer(ActionDialect(), {"request_id": 3, "pk": 1}) == {
        "errors": ["Unable to find action in message body."],
        "data": None,
        "action": None,
        "response_status": 405,
        "request_id": 3,
    }


def test_the_action_dialect_names_the_unknown_action_in_its_answer() -> None:
    assert error_answer(ActionDialect(), {"action": "x", "request_id": None}) == {
        "errors": ['Method "x" not allowed.'],
        "data": None,
        "action": "x",
        "response_status": 405,
        "request_id": None,
    }


@pytest.mark.parametrize("name", [5, None, ["a"], {"a": 1}, "y" * 60_000])
def test_the_action_dialect_rejects_an_invalid_name_without_repeating_all_of_it(name) -> None:
    answer = error_answer(ActionDialect(), {"action": name, "request_id": 3})
    assert answer["action"] is None
    assert len(answer["errors"][0]) < 100


@pytest.mark.parametrize(
    ("detail", "errors"),
    [
        ("Not found", ["Not found"]),
        (["one", "two"], ["one", "two"]),
        ({"name": ["This field is required."]}, [{"name": ["This field is required."]}]),
        ([], []),
    ],
)
def test_the_action_dialect_answers_with_a_list_of_errors(detail, errors) -> None:
    answer = ActionDialect().build_reply(Reply(Call("a"), status=400, errors=detail))
    assert (answer["errors"], answer["data"]) == (errors, None)


# Method


def test_the_method_dialect_gives_the_data_of_the_frame_to_the_handler() -> None:
    frame = {"method": "save", "data": {"a": 1}, "request_id": 7, "other": 2}
    assert MethodDialect().parse_call(frame) == Call("save", {"a": 1}, 7)
    assert MethodDialect().parse_call({"method": "save"}) == Call("save", None, None)


def test_the_method_dialect_answers_with_three_keys_and_the_id_if_the_frame_has_one() -> None:
    assert MethodDialect().build_reply(Reply(Call("save"), [1], 201)) == {
        "method": "save",
        "data": [1],
        "status": 201,
    }
    assert MethodDialect().build_reply(Reply(Call("save", None, 7), None)) == {
        "method": "save",
        "data": None,
        "status": 200,
        "request_id": 7,
    }


def test_the_method_dialect_answers_400_to_an_unknown_method() -> None:
    assert error_answer(MethodDialect(), {"method": "fly", "request_id": 1}, 400) == {
        "method": "fly",
        "data": {"method": ["Unknown method: fly"]},
        "status": 400,
        "request_id": 1,
    }
    assert error_answer(MethodDialect(), {"data": 1}, 400) == {
        "method": None,
        "data": {"method": ["Name the method to call, as text of 1 to 256 characters."]},
        "status": 400,
    }


@pytest.mark.parametrize(
    ("detail", "data"),
    [
        ("Not found.", {"detail": "Not found."}),
        (["one", "two"], {"non_field_errors": ["one", "two"]}),
        ({"name": ["no"]}, {"name": ["no"]}),
    ],
)
def test_the_method_dialect_answers_with_an_object_of_errors(detail, data) -> None:
    answer = MethodDialect().build_reply(Reply(Call("save"), status=400, errors=detail))
    assert answer == {"method": "save", "data": data, "status": 400}


# Type


def test_the_type_dialect_gives_the_whole_frame_to_the_handler() -> None:
    frame = {"type": "MOVE", "x": 1}
    assert TypeDialect().parse_call(frame) == Call("MOVE", frame, None)


def test_the_type_dialect_adds_the_time_to_its_answer_as_text() -> None:
    before = time.time_ns() // 1_000_000
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), {"type": "MOVED", "x": 1}))
    timestamp = answer.pop("TIMESTAMP")
    assert answer == {"type": "MOVED", "x": 1}
    assert type(timestamp) is str
    assert before <= int(timestamp) <= time.time_ns() // 1_000_000


def test_the_type_dialect_overwrites_a_timestamp_in_the_data() -> None:
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), {"TIMESTAMP": "never"}))
    assert answer["TIMESTAMP"].isdigit()


def test_the_type_dialect_answers_an_unknown_type_with_an_error_message() -> None:
    answer = error_answer(TypeDialect(), {"type": "FLY"})
    assert answer.pop("TIMESTAMP").isdigit()
    assert answer == {
        "type": "ERROR",
        "success": False,
        "errors": ["Unknown action: FLY"],
        "details": "Unknown action: FLY",
    }


@pytest.mark.parametrize("name", ["y" * 60_000, {"y": "y" * 60_000}, ["y"] * 10_000])
def test_the_type_dialect_does_not_repeat_an_invalid_name_in_full(name) -> None:
    answer = error_answer(TypeDialect(), {"type": name})
    assert len(answer["details"]) < 400


def test_the_type_dialect_answers_with_a_list_of_errors() -> None:
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), status=400, errors={"x": ["no"]}))
    assert answer.pop("TIMESTAMP").isdigit()
    assert answer == {
        "type": "ERROR",
        "success": False,
        "errors": [{"x": ["no"]}],
        "details": "Invalid message.",
    }


def test_the_type_dialect_repeats_the_only_error_of_a_list_as_details() -> None:
    answer = TypeDialect().build_reply(
        Reply(Call("MOVE"), status=400, errors=["It is not your turn."])
    )
    assert (answer["errors"], answer["details"]) == (["It is not your turn."], answer["errors"][0])


# No dialect


@pytest.mark.parametrize("content", [*NOT_OBJECTS, {"a": 1}])
def test_the_plain_dialect_accepts_any_content(content) -> None:
    assert PlainDialect().parse_call(content) == Call(None, content, None)


@pytest.mark.parametrize("data", [None, 1, [1], {"a": 1}, "x"])
def test_the_plain_dialect_sends_data_unchanged(data) -> None:
    assert PlainDialect().build_reply(Reply(Call(None, request_id=5), data)) is data


@pytest.mark.parametrize(
    ("detail", "frame"),
    [
        ("Not found.", {"detail": "Not found.", "status": 404}),
        (["one"], {"non_field_errors": ["one"], "status": 404}),
        ({"name": ["no"]}, {"name": ["no"], "status": 404}),
    ],
)
def test_the_plain_dialect_answers_with_an_object_of_errors_and_the_status(detail, frame) -> None:
    assert PlainDialect().build_reply(Reply(Call(None), status=404, errors=detail)) == frame
    answer_with_id = PlainDialect().build_reply(
        Reply(Call(None, request_id=0), status=404, errors=detail)
    )
    assert answer_with_id == {**frame, "request_id": 0}


@override_settings(REST_CHANNELS={"NON_FIELD_ERRORS_KEY": "__all__"})
@pytest.mark.parametrize("dialect", [MethodDialect(), PlainDialect()])
def test_a_setting_names_the_key_for_errors_that_belong_to_no_field(dialect) -> None:
    answer = dialect.build_reply(Reply(Call(None), status=400, errors=["no"]))
    assert answer.get("data", answer)["__all__"] == ["no"]


def test_the_plain_dialect_answers_405_to_an_unknown_name() -> None:
    assert isinstance(PlainDialect().handler_not_found(Call("fly")), HandlerNotFound)


@pytest.mark.parametrize(
    "dialect", [ActionDialect(), MethodDialect(), TypeDialect(), PlainDialect()]
)
def test_every_dialect_accepts_details_of_drf_exceptions_as_text_lists_and_dicts(dialect) -> None:
    detail = ValidationError({"a": {"b": ["c"]}, "d": "e"}).detail
    assert isinstance(detail["a"]["b"][0], ErrorDetail)
    answer = dialect.build_reply(Reply(Call("x"), status=400, errors=detail))
    found = answer.get("data") or answer.get("errors", [answer])[0]
    assert found["a"] == {"b": ["c"]}


# Random content

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["action", "method", "type", "data", "request_id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("dialect", "key"), [*NAMED_DIALECTS, (PlainDialect(), "any")])
@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(content=json_values)
def test_every_dialect_rejects_random_content_in_strict_json(dialect, key, content) -> None:
    try:
        call = dialect.parse_call(content)
    except ParseError as parse_error:
        call, error = Call(None), parse_error
    else:
        error = dialect.handler_not_found(call)
    reply = Reply(call, status=error.status_code, errors=error.detail)
    frame = json.loads(JSONRenderer().render(dialect.build_reply(reply)))
    assert type(frame) is dict
    assert frame.get("request_id") == call.request_id
