"""Frames → Python: a value, or a `ParseError`, whatever a client sends."""

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

steady = settings(derandomize=True, database=None, deadline=None, max_examples=200)

SURROGATE = "\ud800"


def nested(levels, opening="[", closing="]"):
    return opening * levels + closing * levels


# JSON, good


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**63, 1.5, 1e308, 5e-324, "", "ä€😀", "\u0000", [], {}, [[], {"": [{}]}]],
)
def test_every_value_of_json_is_read_from_text_and_from_bytes(value) -> None:
    text = json.dumps(value)
    assert JSONParser().parse(text) == value
    assert JSONParser().parse(text.encode()) == value


@pytest.mark.parametrize("text", [" 1 ", "\t\n\r[1 , 2]\n", '{"a" : 1}', '"\\u00e4\\ud83d\\ude00"'])
def test_space_and_escapes_are_read(text) -> None:
    assert JSONParser().parse(text) == json.loads(text)


def test_of_two_equal_keys_the_last_counts() -> None:
    assert JSONParser().parse('{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


def test_a_number_with_many_decimals_is_a_number() -> None:
    assert JSONParser().parse("1." + "1" * 5_000) == pytest.approx(1.1111111111)
    assert JSONParser().parse("0." + "0" * 5_000 + "1") == 0.0


# JSON, bad

NO_JSON = [
    "", " ", "\n", "\x00", "hello", "{", "}", "[", "[1", "[1,", "[1,]", '{"a"', '{"a":', '{"a":1',
    '{"a":1,}', "{a:1}", "{'a':1}", "{1:2}", "'a'", '"a', '"\\', '"\\x41"', '"\\u12"', '"\x01"',
    '"\n"', "01", "-", "+1", ".5", "1.", "1e", "0x10", "1_000", "nul", "None", "True", "undefined",
    "1 2", "{}{}", "[]]", "// a\n1", "/* a */1", "\ufeff{}", "<xml/>", "a=b", "\u00a01", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_JSON)
def test_what_is_not_json_is_refused_as_text_and_as_bytes(text) -> None:
    for frame in (text, text.encode()):
        with pytest.raises(ParseError, match="JSON parse error"):
            JSONParser().parse(frame)


@pytest.mark.parametrize("number", ["NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "1e999"])
@pytest.mark.parametrize("shape", ["%s", "[%s]", '{"a": %s}', '{"a": [1, {"b": %s}]}', "%s "])
def test_nan_and_infinity_are_refused_wherever_they_are(number, shape) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(shape % number)


@pytest.mark.parametrize(
    "number", ["1" * 5_000, "-" + "9" * 5_000, "1e400", "-1e400", "1e99999999"]
)
def test_numbers_that_no_double_holds_are_refused(number) -> None:
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
def test_lone_surrogates_are_refused_raw_and_escaped(text) -> None:
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
def test_bytes_that_are_not_utf_8_are_refused(frame) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(frame)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_64_levels_are_read_and_65_are_refused(opening, closing) -> None:
    depth = len(closing)
    inner = "[]" if depth == 1 else "1"
    good = 64 - (depth == 1)
    JSONParser().parse(opening * (good // depth) + inner + closing * (good // depth))
    with pytest.raises(ParseError, match="nested"):
        JSONParser().parse(opening * (64 // depth) + "[]" + closing * (64 // depth))


def test_exactly_64_is_the_limit_of_pure_lists() -> None:
    assert JSONParser().parse(nested(64)) is not None
    with pytest.raises(ParseError):
        JSONParser().parse(nested(65))


def test_one_deep_branch_among_flat_ones_is_found() -> None:
    with pytest.raises(ParseError):
        JSONParser().parse('{"a": [1, 2], "b": {}, "c": ' + nested(64) + ', "d": [[]]}')


def test_brackets_in_text_and_many_flat_lists_are_not_depth() -> None:
    assert JSONParser().parse('"%s"' % ("[{" * 500)) == "[{" * 500
    assert len(JSONParser().parse("[" + "[]," * 999 + "[]]")) == 1_000


@pytest.mark.parametrize("levels", [1_000, 1_024, 1_025, 32_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ("[", ""), ("", "]")])
def test_no_depth_exhausts_the_stack(levels, opening, closing) -> None:
    with pytest.raises(ParseError):
        JSONParser().parse(opening * levels + closing * levels)


@override_settings(REST_CHANNELS={"MAX_DEPTH": 2})
def test_the_depth_is_a_setting() -> None:
    assert JSONParser().parse("[[1]]") == [[1]]
    with pytest.raises(ParseError, match="deeper than 2 levels"):
        JSONParser().parse("[[[]]]")


@steady
@given(st.text(max_size=80) | st.binary(max_size=80))
def test_any_text_and_any_bytes_become_a_value_or_a_parse_error(frame) -> None:
    try:
        value = JSONParser().parse(frame)
    except ParseError:
        return
    assert value == json.loads(frame, parse_constant=no_constant)


def no_constant(name):
    raise AssertionError(f"{name} was accepted.")


@steady
@given(st.text(alphabet='[]{}",:0123456789.eE+-tfn \\u\n', max_size=60))
def test_what_looks_like_json_is_read_as_python_reads_it_or_refused(text) -> None:
    try:
        value = JSONParser().parse(text)
    except ParseError:
        return
    assert value == json.loads(text, parse_constant=no_constant)


# MessagePack, good


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
def test_messagepack_has_jsons_values_and_bytes(value) -> None:
    parsed = MessagePackParser().parse(msgpack.packb(value))
    assert parsed == value
    assert type(parsed) is type(value)


def test_64_levels_of_messagepack_are_read_and_65_are_refused() -> None:
    MessagePackParser().parse(b"\x91" * 63 + b"\x90")
    with pytest.raises(ParseError, match="nested"):
        MessagePackParser().parse(b"\x91" * 64 + b"\x90")


# MessagePack, bad


@pytest.mark.parametrize("code", [0, 1, 5, 42, 127, -2, -128])
@pytest.mark.parametrize("data", [b"", b"a", b"1234", b"12345678", b"x" * 300])
def test_extension_types_are_refused(code, data) -> None:
    with pytest.raises(ParseError, match="not accepted"):
        MessagePackParser().parse(struct.pack(">BHb", 0xC8, len(data), code) + data)


@pytest.mark.parametrize("seconds", [0, 1, 2**34, -5])
def test_the_extension_type_for_time_is_refused_like_every_other(seconds) -> None:
    """`msgpack.Timestamp` is a value that neither JSON nor a serializer knows."""
    with pytest.raises(ParseError):
        MessagePackParser().parse(msgpack.packb({"at": [msgpack.Timestamp(seconds, 7)]}))


@pytest.mark.parametrize(
    "frame", [b"\xd6\xff\x00\x00", b"\xc7\x05\xff12345", b"\xd7\xff" + b"\xff" * 8]
)
def test_a_broken_time_is_refused(frame) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(frame)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", [">Bf", ">Bd"])
def test_nan_and_infinity_are_refused_in_both_widths(number, code) -> None:
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
def test_keys_that_are_no_text_are_refused(key) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(b"\x81" + msgpack.packb(key) + b"\x01")


@pytest.mark.parametrize(
    "text", [b"\xa1\xff", b"\xa3\xed\xa0\x80", b"\xd9\x01\x80", b"\x81\xa1\xff\x01"]
)
def test_text_that_is_not_utf_8_is_refused(text) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(text)


PACKED = msgpack.packb({"action": "list", "data": [1, 2.5, None, "text", b"bytes", {"a": True}]})


@pytest.mark.parametrize("length", range(len(PACKED)))
def test_a_truncated_frame_is_refused(length) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(PACKED[:length])


@pytest.mark.parametrize("more", [b"\x00", b"\xc0", b"\xff", b"\xc1", PACKED])
def test_trailing_bytes_are_refused(more) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(PACKED + more)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # a list of 4,294,967,295 items follows, it says
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
def test_frames_that_promise_too_much_are_refused(frame) -> None:
    with pytest.raises(ParseError):
        MessagePackParser().parse(frame)


@steady
@given(st.binary(max_size=60))
def test_any_bytes_become_a_value_of_json_or_bytes_or_a_parse_error(frame) -> None:
    with contextlib.suppress(ParseError):
        assert_plain(MessagePackParser().parse(frame))


def assert_plain(value):
    assert type(value) in {type(None), bool, int, float, str, bytes, list, dict}
    if isinstance(value, float):
        assert math.isfinite(value)
    for inner in value if isinstance(value, list) else ():
        assert_plain(inner)
    for key, inner in value.items() if isinstance(value, dict) else ():
        assert type(key) is str
        assert_plain(inner)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@steady
@given(plain)
def test_what_messagepack_packs_is_read_back(value) -> None:
    assert MessagePackParser().parse(msgpack.packb(value)) == value


@steady
@given(plain, st.data())
def test_one_flipped_byte_never_raises_anything_but_a_parse_error(value, data) -> None:
    frame = bytearray(msgpack.packb(value))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ParseError):
        assert_plain(MessagePackParser().parse(bytes(frame)))
