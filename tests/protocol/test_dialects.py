"""The three dialects and none, every frame compared whole with what its ancestor sent."""

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

NAMED = [(ActionDialect(), "action"), (MethodDialect(), "method"), (TypeDialect(), "type")]
NO_OBJECT = [None, True, 0, 1.5, "text", "", [], [{"action": "a"}], b"bytes"]


def refused(dialect, content, status=405):
    """The frame that answers `content`, whose name leads nowhere."""
    call = dialect.parse_call(content)
    error = dialect.handler_not_found(call)
    assert error.status_code == status
    return dialect.build_reply(Reply(call, status=status, errors=error.detail))


# What they have in common.


@pytest.mark.parametrize(("dialect", "key"), NAMED)
@pytest.mark.parametrize("content", NO_OBJECT)
def test_a_frame_that_is_no_object_is_refused(dialect, key, content) -> None:
    with pytest.raises(ParseError, match="must hold a JSON object"):
        dialect.parse_call(content)


@pytest.mark.parametrize(("dialect", "key"), NAMED)
@pytest.mark.parametrize("name", [None, True, 5, 1.5, "", [], ["a"], {}, {"a": 1}, "x" * 257])
def test_what_cannot_be_a_name_is_none(dialect, key, name) -> None:
    assert dialect.parse_call({key: name}).name is None
    assert dialect.parse_call({}).name is None


@pytest.mark.parametrize(("dialect", "key"), NAMED)
def test_a_name_has_at_most_256_characters_or_what_the_setting_says(dialect, key) -> None:
    assert dialect.parse_call({key: "x" * 256}).name == "x" * 256
    with override_settings(REST_CHANNELS={"MAX_NAME_LENGTH": 3}):
        assert dialect.parse_call({key: "fly"}).name == "fly"
        assert dialect.parse_call({key: "walk"}).name is None


@pytest.mark.parametrize(("dialect", "key"), [*NAMED, (PlainDialect(), "any")])
@pytest.mark.parametrize("request_id", [0, 1, -1.5, "", "a", False, True, [1], {"a": [None]}, []])
def test_a_request_id_of_every_kind_comes_back(dialect, key, request_id) -> None:
    call = dialect.parse_call({key: "a", "request_id": request_id})
    answer = dialect.build_reply(Reply(call, status=400, errors="no"))
    assert answer["request_id"] == request_id
    assert type(answer["request_id"]) is type(request_id)


@pytest.mark.parametrize(("dialect", "key"), [*NAMED, (PlainDialect(), "any")])
def test_closing_changes_neither_the_data_nor_the_errors(dialect, key) -> None:
    data, errors = {"a": 1}, {"b": ["no"]}
    call = Call("a", request_id=5)
    dialect.build_reply(Reply(call, data))
    dialect.build_reply(Reply(call, status=400, errors=errors))
    assert (data, errors) == ({"a": 1}, {"b": ["no"]})


# Action


def test_an_action_gets_the_whole_frame() -> None:
    frame = {"action": "retrieve", "request_id": 7, "pk": 1}
    assert ActionDialect().parse_call(frame) == Call("retrieve", frame, 7)


def test_an_action_answers_with_five_keys_always() -> None:
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


def test_a_frame_without_an_action_is_told_that_it_has_none() -> None:
    assert refused(ActionDialect(), {"request_id": 3, "pk": 1}) == {
        "errors": ["Unable to find action in message body."],
        "data": None,
        "action": None,
        "response_status": 405,
        "request_id": 3,
    }


def test_an_unknown_action_is_named_in_the_answer() -> None:
    assert refused(ActionDialect(), {"action": "x", "request_id": None}) == {
        "errors": ['Method "x" not allowed.'],
        "data": None,
        "action": "x",
        "response_status": 405,
        "request_id": None,
    }


@pytest.mark.parametrize("name", [5, None, ["a"], {"a": 1}, "y" * 60_000])
def test_an_action_that_is_no_name_is_405_and_not_echoed_at_length(name) -> None:
    answer = refused(ActionDialect(), {"action": name, "request_id": 3})
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
def test_an_actions_errors_are_a_list_of_text_or_the_detail_itself(detail, errors) -> None:
    answer = ActionDialect().build_reply(Reply(Call("a"), status=400, errors=detail))
    assert (answer["errors"], answer["data"]) == (errors, None)


# Method


def test_a_method_gets_the_frames_data() -> None:
    frame = {"method": "save", "data": {"a": 1}, "request_id": 7, "other": 2}
    assert MethodDialect().parse_call(frame) == Call("save", {"a": 1}, 7)
    assert MethodDialect().parse_call({"method": "save"}) == Call("save", None, None)


def test_a_method_answers_with_three_keys_and_an_id_only_if_one_was_given() -> None:
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


def test_an_unknown_method_is_a_400_on_method() -> None:
    assert refused(MethodDialect(), {"method": "fly", "request_id": 1}, 400) == {
        "method": "fly",
        "data": {"method": ["Unknown method: fly"]},
        "status": 400,
        "request_id": 1,
    }
    assert refused(MethodDialect(), {"data": 1}, 400) == {
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
def test_a_methods_errors_are_an_object(detail, data) -> None:
    answer = MethodDialect().build_reply(Reply(Call("save"), status=400, errors=detail))
    assert answer == {"method": "save", "data": data, "status": 400}


# Type


def test_a_type_gets_the_whole_frame() -> None:
    frame = {"type": "MOVE", "x": 1}
    assert TypeDialect().parse_call(frame) == Call("MOVE", frame, None)


def test_a_type_answers_what_it_was_given_and_the_time_as_text() -> None:
    before = time.time_ns() // 1_000_000
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), {"type": "MOVED", "x": 1}))
    stamp = answer.pop("TIMESTAMP")
    assert answer == {"type": "MOVED", "x": 1}
    assert type(stamp) is str
    assert before <= int(stamp) <= time.time_ns() // 1_000_000


def test_a_type_overwrites_a_timestamp_that_it_was_given() -> None:
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), {"TIMESTAMP": "never"}))
    assert answer["TIMESTAMP"].isdigit()


def test_an_unknown_type_is_told_so() -> None:
    answer = refused(TypeDialect(), {"type": "FLY"})
    assert answer.pop("TIMESTAMP").isdigit()
    assert answer == {
        "type": "ERROR",
        "success": False,
        "errors": ["Unknown action: FLY"],
        "details": "Unknown action: FLY",
    }


@pytest.mark.parametrize("name", ["y" * 60_000, {"y": "y" * 60_000}, ["y"] * 10_000])
def test_a_type_that_is_no_name_is_not_echoed_at_length(name) -> None:
    answer = refused(TypeDialect(), {"type": name})
    assert len(answer["details"]) < 400


def test_a_types_errors_are_listed() -> None:
    answer = TypeDialect().build_reply(Reply(Call("MOVE"), status=400, errors={"x": ["no"]}))
    assert answer.pop("TIMESTAMP").isdigit()
    assert answer == {
        "type": "ERROR",
        "success": False,
        "errors": [{"x": ["no"]}],
        "details": "Invalid message.",
    }


def test_the_only_error_of_a_list_is_said_in_words_as_well() -> None:
    answer = TypeDialect().build_reply(
        Reply(Call("MOVE"), status=400, errors=["It is not your turn."])
    )
    assert (answer["errors"], answer["details"]) == (["It is not your turn."], answer["errors"][0])


# None


@pytest.mark.parametrize("content", [*NO_OBJECT, {"a": 1}])
def test_without_a_dialect_every_content_is_taken(content) -> None:
    assert PlainDialect().parse_call(content) == Call(None, content, None)


@pytest.mark.parametrize("data", [None, 1, [1], {"a": 1}, "x"])
def test_without_a_dialect_data_leaves_as_it_is(data) -> None:
    assert PlainDialect().build_reply(Reply(Call(None, request_id=5), data)) is data


@pytest.mark.parametrize(
    ("detail", "frame"),
    [
        ("Not found.", {"detail": "Not found.", "status": 404}),
        (["one"], {"non_field_errors": ["one"], "status": 404}),
        ({"name": ["no"]}, {"name": ["no"], "status": 404}),
    ],
)
def test_without_a_dialect_errors_have_a_shape_all_the_same(detail, frame) -> None:
    assert PlainDialect().build_reply(Reply(Call(None), status=404, errors=detail)) == frame
    numbered = PlainDialect().build_reply(
        Reply(Call(None, request_id=0), status=404, errors=detail)
    )
    assert numbered == {**frame, "request_id": 0}


@override_settings(REST_CHANNELS={"NON_FIELD_ERRORS_KEY": "__all__"})
@pytest.mark.parametrize("dialect", [MethodDialect(), PlainDialect()])
def test_the_key_for_errors_of_no_field_is_a_setting(dialect) -> None:
    answer = dialect.build_reply(Reply(Call(None), status=400, errors=["no"]))
    assert answer.get("data", answer)["__all__"] == ["no"]


def test_without_a_dialect_an_unknown_name_is_405() -> None:
    assert isinstance(PlainDialect().handler_not_found(Call("fly")), HandlerNotFound)


@pytest.mark.parametrize(
    "dialect", [ActionDialect(), MethodDialect(), TypeDialect(), PlainDialect()]
)
def test_the_details_of_drfs_exceptions_are_text_lists_and_dicts(dialect) -> None:
    detail = ValidationError({"a": {"b": ["c"]}, "d": "e"}).detail
    assert isinstance(detail["a"]["b"][0], ErrorDetail)
    answer = dialect.build_reply(Reply(Call("x"), status=400, errors=detail))
    found = answer.get("data") or answer.get("errors", [answer])[0]
    assert found["a"] == {"b": ["c"]}


# Anything

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


@pytest.mark.parametrize(("dialect", "key"), [*NAMED, (PlainDialect(), "any")])
@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(content=json_values)
def test_any_content_that_names_nothing_is_refused_in_strict_json(dialect, key, content) -> None:
    try:
        call = dialect.parse_call(content)
    except ParseError as error:
        call, refusal = Call(None), error
    else:
        refusal = dialect.handler_not_found(call)
    reply = Reply(call, status=refusal.status_code, errors=refusal.detail)
    frame = json.loads(JSONRenderer().render(dialect.build_reply(reply)))
    assert type(frame) is dict
    assert frame.get("request_id") == call.request_id
