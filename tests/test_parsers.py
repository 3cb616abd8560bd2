"""Parsers: any frame gives a value or a `ParseError`."""

import contextlib
import json
import math
import struct

import msgpack
import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from rest_channels.parsers import JSONParser, MessagePackParser

reproducible = settings(derandomize=True, database=None, deadline=None, max_examples=200)

SURROGATE = "\ud800"


def nested(levels, opening="[", closing="]"):
    return opening * levels + closing * levels


# Valid JSON


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**63, 1.5, 1e308, 5e-324, "", "ä€😀", "\u0000", [], {}, [[], {"": [{}]}]],
)
def test_the_json_parser_reads_every_json_value_from_text_and_from_bytes(value) -> None:
    text = json.dumps(value)
    assert JSONParser().parse(text) == value
    assert JSONParser().parse(text.encode()) == value


@pytest.mark.parametrize("text", [" 1 ", "\t\n\r[1 , 2]\n", '{"a" : 1}', '"\\u00e4\\ud83d\\ude00"'])
def test_the_json_parser_reads_whitespace_and_escapes(text) -> None:
    assert JSONParser().parse(text) == json.loads(text)


def test_the_json_parser_keeps_the_last_of_two_equal_keys() -> None:
    assert JSONParser().parse('{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


def test_the_json_parser_reads_a_number_with_many_decimals() -> None:
    assert JSONParser().parse("1." + "1" * 5_000) == pytest.approx(1.1111111111)
    assert JSONParser().parse("0." + "0" * 5_000 + "1") == 0.0


# Invalid JSON

INVALID_JSON = [
    "", " ", "\n", "\x00", "hello", "{", "}", "[", "[1", "[1,", "[1,]", '{"a"', '{"a":', '{"a":1',
    '{"a":1,}', "{a:1}", "{'a':1}", "{1:2}", "'a'", '"a', '"\\', '"\\x41"', '"\\u12"', '"\x01"',
    '"\n"', "01", "-", "+1", ".5", "1.", "1e", "0x10", "1_000", "nul", "None", "True", "undefined",
    "1 2", "{}{}", "[]]", "// a\n1", "/* a */1", "\ufeff{}", "<xml/>", "a=b", "\u00a01", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("text", INVALID_JSON)
def test_the_json_parser_rejects_invalid_json_as_text_and_as_bytes(text) -> None:
    for frame in (text, text.encode()):
        with pytest.raises(ParseError, match="JSON parse error"):
            JSONParser().parse(frame)


@pytest.mark.parametrize("number", ["NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "1e999"])
@pytest.mark.parametrize("shape", ["%s", "[%s]", '{"a": %s}', '{"a": [1, {"b": %s}]}', "%s "])
def test_the_json_parser_rejects_nan_and_infinity_at_any_position(number, shape) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(shape % number)


@pytest.mark.parametrize(
    "number", ["1" * 5_000, "-" + "9" * 5_000, "1e400", "-1e400", "1e99999999"]
)
def test_the_json_parser_rejects_numbers_that_no_double_can_hold(number) -> None:
    for frame in (number, f"[{number}]", f'{{"request_id": {number}}}'):
        with pytest.raises(ParseError):
            JSONParser().parse(frame)


@pytest.mark.parametrize(
    "text",
    [
        f'"{SURROGATE}"',
        SURROGATE,
        '"\\ud800"',
        '"\\udc00"',
        '"\\ud800\\u0041"',
        '"\\udc00\\ud800"',
        '{"\\ud800": 1}',
        '["a\\ud83d"]',
    ],
)
def test_the_json_parser_rejects_lone_surrogates_raw_and_escaped(text) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(text)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff", b"\x80", b'"\xff"', b'"\xc3"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'{"\xff": 1}',
        b"\xff\xfe{\x00}\x00", b"\xfe\xff\x00{\x00}", '{"a": 1}'.encode("utf-16"), b'"\xf8\x88"',
        b"\xef\xbb\xbf{}", b"\x1f\x8b\x08\x00",
    ],
)  # fmt: skip
def test_the_json_parser_rejects_bytes_that_are_not_utf_8(frame) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(frame)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_the_json_parser_reads_64_levels_and_rejects_65(opening, closing) -> None:
    depth = len(closing)
    inner = "[]" if depth == 1 else "1"
    allowed = 64 - (depth == 1)
    JSONParser().parse(opening * (allowed // depth) + inner + closing * (allowed // depth))
    with pytest.raises(ParseError, match="nested"):
        JSONParser().parse(opening * (64 // depth) + "[]" + closing * (64 // depth))


def test_the_json_parser_reads_exactly_64_levels_of_lists() -> None:
    assert JSONParser().parse(nested(64)) is not None
    with pytest.raises(ParseError):
        JSONParser().parse(nested(65))


def test_the_json_parser_detects_one_deep_branch_among_flat_branches() -> None:
    with pytest.raises(ParseError):
        JSONParser().parse('{"a": [1, 2], "b": {}, "c": ' + nested(64) + ', "d": [[]]}')


def test_the_json_parser_does_not_count_brackets_in_text_and_flat_lists_as_levels() -> None:
    assert JSONParser().parse('"%s"' % ("[{" * 500)) == "[{" * 500
    assert len(JSONParser().parse("[" + "[]," * 999 + "[]]")) == 1_000


@pytest.mark.parametrize("levels", [1_000, 1_024, 1_025, 32_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("[", ""), ("", "]")])
def test_no_depth_of_nesting_exhausts_the_stack(levels, opening, closing) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(opening * levels + closing * levels)


@override_settings(REST_CHANNELS={"MAX_DEPTH": 2})
def test_a_setting_limits_the_levels_of_nesting() -> None:
    assert JSONParser().parse("[[1]]") == [[1]]
    with pytest.raises(ParseError, match="deeper than 2 levels"):
        JSONParser().parse("[[[]]]")


@reproducible
@given(st.text(max_size=80) | st.binary(max_size=80))
def test_the_json_parser_turns_any_frame_into_a_value_or_a_parse_error(frame) -> None:
    try:
        value = JSONParser().parse(frame)
    except ParseError:
        return
    assert value == read_as_python(frame)


def read_as_python(frame):
    return json.loads(frame, parse_constant=reject_constant, parse_int=read_integer)


def read_integer(digits):
    """Read an integer as the parser does: as a float if it has more than 64 bits."""
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


def reject_constant(name):
    raise AssertionError(f"{name} was accepted.")


@reproducible
@given(st.text(alphabet='[]{}",:0123456789.eE+-tfn \\u\n', max_size=60))
def test_the_json_parser_reads_text_as_python_does_or_rejects_it(text) -> None:
    try:
        value = JSONParser().parse(text)
    except ParseError:
        return
    assert value == read_as_python(text)


# Valid MessagePack


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**64 - 1,
        -(2**63),
        1.5,
        "",
        "ä€😀",
        b"",
        b"\xff",
        [],
        {},
        {"a": [{}, [1]]},
    ],
)
def test_the_messagepack_parser_reads_the_values_of_json_and_bytes(value) -> None:
    parsed = MessagePackParser().parse(msgpack.packb(value))
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_messagepack_parser_reads_64_levels_and_rejects_65() -> None:
    MessagePackParser().parse(b"\x91" * 63 + b"\x90")
    with pytest.raises(ParseError, match="nested"):
        MessagePackParser().parse(b"\x91" * 64 + b"\x90")


# Invalid MessagePack


@pytest.mark.parametrize("code", [0, 1, 5, 42, 127, -2, -128])
@pytest.mark.parametrize("data", [b"", b"a", b"1234", b"12345678", b"x" * 300])
def test_the_messagepack_parser_rejects_extension_types(code, data) -> None:
    with pytest.raises(ParseError, match="not accepted"):
        MessagePackParser().parse(struct.pack(">BHb", 0xC8, len(data), code) + data)


@pytest.mark.parametrize("seconds", [0, 1, 2**34, -5])
def test_the_messagepack_parser_rejects_the_extension_type_for_time(seconds) -> None:
    """Neither JSON nor a serializer has values like `msgpack.Timestamp`."""
    with pytest.raises(ParseError):
        MessagePackParser().parse(msgpack.packb({"at": [msgpack.Timestamp(seconds, 7)]}))


@pytest.mark.parametrize(
    "frame", [b"\xd6\xff\x00\x00", b"\xc7\x05\xff12345", b"\xd7\xff" + b"\xff" * 8]
)
def test_the_messagepack_parser_rejects_a_malformed_time(frame) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(frame)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", [">Bf", ">Bd"])
def test_the_messagepack_parser_rejects_nan_and_infinity_in_both_widths(number, code) -> None:
    packed = struct.pack(code, 0xCA if code == ">Bf" else 0xCB, number)
    for frame in (
        packed,
        b"\x91" + packed,
        b"\x81\xa1a" + packed,
        b"\x91\x81\xa1a\x92\x01" + packed,
    ):
        with pytest.raises(ParseError, match="NaN and Infinity"):
            MessagePackParser().parse(frame)


@pytest.mark.parametrize("key", [1, None, True, 1.5, math.nan, [1], {"a": 1}, b"a", b"\xff"])
def test_the_messagepack_parser_rejects_keys_that_are_not_text(key) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(b"\x81" + msgpack.packb(key) + b"\x01")


@pytest.mark.parametrize(
    "text", [b"\xa1\xff", b"\xa3\xed\xa0\x80", b"\xd9\x01\x80", b"\x81\xa1\xff\x01"]
)
def test_the_messagepack_parser_rejects_text_that_is_not_utf_8(text) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(text)


PACKED = msgpack.packb({"action": "list", "data": [1, 2.5, None, "text", b"bytes", {"a": True}]})


@pytest.mark.parametrize("length", range(len(PACKED)))
def test_the_messagepack_parser_rejects_a_truncated_frame(length) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(PACKED[:length])


@pytest.mark.parametrize("trailing", [b"\x00", b"\xc0", b"\xff", b"\xc1", PACKED])
def test_the_messagepack_parser_rejects_trailing_bytes(trailing) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(PACKED + trailing)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # announces a list of 4,294,967,295 items
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x05",
        b"\x91" * 60_000,
        b"\x91" * 60_000 + b"\xc0",
        b"\x81\xa1a" * 20_000 + b"\xc0",
        b"\xdc\xff\xff" * 15_000,
        b'{"a": 1}',
    ],
    ids=range(11),
)
def test_the_messagepack_parser_rejects_frames_that_announce_too_much_data(frame) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(frame)


@reproducible
@given(st.binary(max_size=60))
def test_the_messagepack_parser_turns_any_bytes_into_a_valid_value_or_a_parse_error(frame) -> None:
    with contextlib.suppress(ParseError):
        assert_valid_value(MessagePackParser().parse(frame))


def assert_valid_value(value):
    assert type(value) in {type(None), bool, int, float, str, bytes, list, dict}
    if isinstance(value, float):
        assert math.isfinite(value)
    for inner in value if isinstance(value, list) else ():
        assert_valid_value(inner)
    for key, inner in value.items() if isinstance(value, dict) else ():
        assert type(key) is str
        assert_valid_value(inner)


valid_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@reproducible
@given(valid_values)
def test_the_messagepack_parser_reads_values_that_messagepack_packed(value) -> None:
    assert MessagePackParser().parse(msgpack.packb(value)) == value


@reproducible
@given(valid_values, st.data())
def test_a_messagepack_frame_with_a_changed_byte_raises_only_parse_errors(value, data) -> None:
    frame = bytearray(msgpack.packb(value))
    position = data.draw(st.integers(0, len(frame) - 1))
    frame[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ParseError):
        assert_valid_value(MessagePackParser().parse(bytes(frame)))
