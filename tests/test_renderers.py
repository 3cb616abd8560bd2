"""Renderers: the values of DRF, in strict JSON, and no value encoded twice."""

import datetime as dt
import ipaddress
import json
import math
import uuid
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

import msgpack
import orjson
import pytest
from django.contrib.auth.models import Group, User
from django.db.models import TextChoices
from django.http import QueryDict
from django.test import override_settings
from django.utils import timezone, translation
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.utils.encoders import JSONEncoder

from rest_channels.parsers import MessagePackParser
from rest_channels.renderers import JSONRenderer, MessagePackRenderer, Rendered, encode

reproducible = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def read_from_drf(value):
    """Return what a client of DRF reads."""
    return json.loads(json.dumps(value, cls=JSONEncoder))


def read_strictly(text):
    """Return what a browser reads."""
    return json.loads(text, parse_constant=reject_constant)


def reject_constant(name):
    raise AssertionError(f"{name} is not strict JSON.")


def assert_equal_to_drf(value):
    assert read_strictly(JSONRenderer().render(value)) == read_from_drf(value)


class Colour(TextChoices):
    RED = "r", gettext_lazy("Red")


class Level(IntEnum):
    HIGH = 3


class Kind(StrEnum):
    PLAIN = "plain"


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


Point = namedtuple("Point", "x y")
AWARE = dt.timezone(dt.timedelta(hours=-3, minutes=-30))

VALUES = {
    "decimal": Decimal("1.10"),
    "decimal exponent": Decimal("1E+3"),
    "decimal huge": Decimal("123456789012345678901234567890.123456789"),
    "datetime aware": dt.datetime(2026, 11, 21, 10, 30, 5, 123456, tzinfo=dt.UTC),
    "datetime offset": dt.datetime(2026, 11, 21, 10, 30, tzinfo=AWARE),
    "datetime naive": dt.datetime(2026, 11, 21, 10, 30, 5, 1),  # noqa: DTZ001
    "datetime year 1": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    "date": dt.date(2026, 2, 28),
    "time": dt.time(23, 59, 59, 999_999),
    "timedelta": dt.timedelta(days=-1, hours=5, microseconds=7),
    "uuid": uuid.UUID(int=7),
    "lazy": lazystr("later"),
    "translated": gettext_lazy("Monday"),
    "error": ErrorDetail("No.", code="no"),
    "safe": mark_safe("<b>"),
    "text choice": Colour.RED,
    "int enum": Level.HIGH,
    "str enum": Kind.PLAIN,
    "str subclass": Text("x"),
    "int subclass": Whole(5),
    "bytes": b"caf\xc3\xa9",
    "tuple": (1, (2,)),
    "named tuple": Point(1, 2),
    "set": {1},
    "frozenset": frozenset(["a"]),
    "generator": None,
    "dict keys": {"a": 1}.keys(),
    "ordered": OrderedDict(b=1, a=2),
    "default": defaultdict(list, a=[1]),
    "user dict": UserDict(a=1),
    "ip address": ipaddress.ip_address("::1"),
    "ip network": ipaddress.ip_network("10.0.0.0/8"),
    "chain": ChainMap({"a": 1}, {"b": 2}),
    "nested": {"a": [{"b": (Decimal(1), {"c": uuid.UUID(int=1)})}]},
    "text": "ä € 😀 \u2028 \u0000 \x7f </script>",
    "numbers": [0, -0.0, 1e16, 1e-7, 5e-324, 2**63, -(2**63), 0.1],
}


@pytest.mark.parametrize("name", VALUES)
def test_the_json_renderer_writes_values_as_the_encoder_of_drf_does(name) -> None:
    assert_equal_to_drf({"value": VALUES[name], "list": [VALUES[name]]})
    assert_equal_to_drf(VALUES[name])


def test_the_json_renderer_writes_a_generator_as_a_list() -> None:
    assert encode(n for n in (1, 2)) == b"[1,2]"


def test_an_iterator_beside_keys_that_are_not_text_is_written_whole() -> None:
    for make in (iter, lambda rows: (row for row in rows), lambda rows: map(int, rows)):
        assert orjson.loads(encode({"rows": make([1, 2]), 7: None})) == {"rows": [1, 2], "7": None}


def test_an_iterator_that_fails_is_not_written_as_an_empty_list() -> None:
    def rows():
        yield 1
        raise LookupError

    with pytest.raises(TypeError):
        encode({"rows": rows()})


@pytest.mark.parametrize(
    "value", [object(), deque([1]), UserList([1]), 1j, type, Exception("no"), dt.time.min]
)
def test_the_json_renderer_rejects_values_that_drf_cannot_encode(value) -> None:
    value = value.replace(tzinfo=dt.UTC) if isinstance(value, dt.time) else value
    with pytest.raises((TypeError, ValueError)):
        read_from_drf(value)
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_the_json_renderer_rejects_a_dataclass_as_drf_does() -> None:
    @dataclass
    class Card:
        secret: str

    with pytest.raises(TypeError):
        encode({"card": Card("x")})


@pytest.mark.parametrize("language", ["de", "fr", "en"])
def test_the_json_renderer_writes_lazy_text_in_the_active_language(language) -> None:
    with translation.override(language):
        rendered = read_strictly(JSONRenderer().render({"day": gettext_lazy("Monday")}))
        assert rendered == {"day": str(gettext_lazy("Monday"))}
    assert {"de": "Montag", "fr": "lundi", "en": "Monday"}[language] == rendered["day"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/New_York"])
def test_an_aware_time_keeps_its_time_zone(zone) -> None:
    moment = dt.datetime(2026, 11, 21, 10, 30, tzinfo=dt.UTC)
    with timezone.override(zone):
        assert_equal_to_drf([moment, timezone.localtime(moment)])


@override_settings(USE_TZ=False)
def test_a_naive_time_is_written_unchanged_without_time_zones() -> None:
    assert_equal_to_drf(VALUES["datetime naive"])


# Keys


@pytest.mark.parametrize(
    "key", [1, -5, 0, True, False, None, 1.5, -0.0, 1e16, Level.HIGH, Colour.RED, Kind.PLAIN]
)
def test_a_key_that_is_not_text_is_written_as_json_dumps_writes_it(key) -> None:
    assert_equal_to_drf({key: 1, "text": {key: [2]}})


def test_a_small_float_as_a_key_is_written_as_orjson_writes_it() -> None:
    assert JSONRenderer().render({1e-7: 1}) == '{"1e-7":1}'


@pytest.mark.parametrize("key", [Text("a"), mark_safe("a"), ErrorDetail("a"), Whole(5)])
def test_a_key_of_a_subclass_is_written_as_its_base_type(key) -> None:
    assert_equal_to_drf({key: 1})


@pytest.mark.parametrize("key", [(1, 2), b"a", object(), lazystr("a"), frozenset(), Decimal(1)])
def test_a_key_that_json_dumps_rejects_is_rejected(key) -> None:
    with pytest.raises(TypeError):
        read_from_drf({key: 1})
    with pytest.raises(TypeError):
        encode({key: 1})


def test_values_in_dicts_with_keys_that_are_not_text_are_written_as_drf_does() -> None:
    assert_equal_to_drf({1: VALUES["datetime aware"], 2: {None: VALUES["decimal"]}})


# Strict JSON


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("shape", [lambda n: n, lambda n: [n], lambda n: {"a": {"b": (n,)}}])
def test_nan_and_infinity_are_written_as_null(number, shape) -> None:
    text = JSONRenderer().render(shape(number))
    assert read_strictly(text) == shape(None) or read_strictly(text) == {"a": {"b": [None]}}


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, {"\ud800": 1}, 2**64, -(2**63) - 1])
def test_a_value_that_strict_json_cannot_hold_raises_an_error(value) -> None:
    with pytest.raises(TypeError):
        JSONRenderer().render(value)


# Django's and DRF's containers


def test_a_query_dict_is_written_as_drf_renders_it() -> None:
    assert_equal_to_drf(QueryDict("a=1&b=2"))
    assert_equal_to_drf({"query": QueryDict("a=1&a=2")})


class CardSerializer(serializers.Serializer):
    name = serializers.CharField()
    price = serializers.DecimalField(max_digits=5, decimal_places=2)
    made = serializers.DateTimeField()
    owner = serializers.UUIDField()
    duration = serializers.DurationField()
    raw = serializers.ReadOnlyField(source="price")


CARD = {
    "name": "Ace",
    "price": Decimal("1.50"),
    "made": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    "owner": uuid.UUID(int=3),
    "duration": dt.timedelta(hours=1),
}


def test_the_data_of_a_serializer_is_written_as_drf_renders_it() -> None:
    assert_equal_to_drf(CardSerializer(CARD).data)
    assert_equal_to_drf(CardSerializer([CARD, CARD], many=True).data)
    assert_equal_to_drf({"results": CardSerializer([CARD], many=True).data})


def test_the_errors_of_a_serializer_are_written_as_drf_renders_them() -> None:
    serializer = CardSerializer(data={"price": "dear"})
    serializer.is_valid()
    assert_equal_to_drf(serializer.errors)


@pytest.mark.django_db
def test_querysets_of_values_are_written_as_lists() -> None:
    User.objects.create(username="ada")
    Group.objects.create(name="pianists")
    for queryset in (
        User.objects.values("username", "date_joined", "last_login"),
        User.objects.values_list("username", flat=True),
        User.objects.values_list("username", "is_active"),
        User.objects.none(),
        Group.objects.values_list("name", "pk", named=True),
    ):
        assert_equal_to_drf(queryset)
        assert_equal_to_drf({"results": queryset})


@pytest.mark.django_db
def test_a_queryset_of_model_instances_is_rejected_as_drf_rejects_it() -> None:
    User.objects.create(username="ada", password="secret")
    with pytest.raises(TypeError):
        encode(User.objects.all())


# Rendered


def test_rendered_json_is_inserted_and_not_encoded_again() -> None:
    body = Rendered(b'{"a":  1.10, "b":1e2}')
    assert encode({"data": body}) == b'{"data":{"a":  1.10, "b":1e2}}'
    assert encode([body, body]) == b'[{"a":  1.10, "b":1e2},{"a":  1.10, "b":1e2}]'
    assert encode(body) == body.body
    assert encode({1: {None: body}}) == b'{"1":{"null":{"a":  1.10, "b":1e2}}}'


def test_rendered_json_is_encoded_once_however_often_it_is_used() -> None:
    calls = []

    class Counting:
        def tolist(self):
            calls.append(1)
            return [1]

    body = Rendered.json({"a": Counting()})
    for _time in range(3):
        assert encode({"data": body, "more": (body,)}).count(b'{"a":[1]}') == 2
    assert calls == [1]


def test_rendering_rendered_json_changes_nothing() -> None:
    body = Rendered.json({"a": Decimal("1.10")})
    assert Rendered.json(body) is body
    assert body.body.decode() == '{"a":1.1}'
    assert Rendered.json({"a": [body]}).body.decode() == '{"a":[{"a":1.1}]}'


def test_rendered_json_is_immutable_and_equal_by_its_body() -> None:
    body = Rendered.json([1])
    with pytest.raises(AttributeError):
        body.body = b"2"
    assert body == Rendered(b"[1]")
    assert len({body, Rendered(b"[1]")}) == 1


def test_the_messagepack_renderer_unpacks_rendered_json() -> None:
    body = Rendered.json({"a": Decimal("1.10")})
    assert msgpack.unpackb(MessagePackRenderer().render({"data": body})) == {"data": {"a": 1.1}}


# MessagePack


@pytest.mark.parametrize("name", VALUES.keys() - {"bytes", "decimal huge"})
def test_the_messagepack_renderer_writes_the_values_that_json_has(name) -> None:
    packed = MessagePackRenderer().render({"value": VALUES[name]})
    assert msgpack.unpackb(packed) == read_from_drf({"value": VALUES[name]})


def test_the_messagepack_renderer_keeps_bytes_as_bytes() -> None:
    assert msgpack.unpackb(MessagePackRenderer().render([b"\xff", bytearray(b"a")])) == [
        b"\xff",
        b"a",
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"a": math.nan},
        [math.inf],
        {1: "a", None: "b"},
        {"a": {True: -math.inf}},
        Rendered(b"[1.5]"),
    ],
)
def test_the_messagepack_parser_reads_rendered_frames_as_the_values_of_json(data) -> None:
    packed = MessagePackRenderer().render(data)
    assert MessagePackParser().parse(packed) == read_strictly(JSONRenderer().render(data))


def test_the_messagepack_renderer_writes_a_query_dict_as_drf_renders_it() -> None:
    packed = MessagePackRenderer().render(QueryDict("a=1&a=2"))
    assert msgpack.unpackb(packed) == {"a": "2"}


# Random values

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
moments = st.datetimes(timezones=st.none() | st.timezones())
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | text
    | st.decimals(allow_nan=False)
    | st.just(Decimal("NaN"))
    | moments
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | text.map(lazystr)
    | text.map(str.encode)
)
keys = text | st.integers(-(2**63), 2**63) | st.none() | st.booleans()
any_value = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(text, inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=25,
)


def null_for_nan(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [null_for_nan(inner) for inner in value]
    if isinstance(value, dict):
        return {key: null_for_nan(inner) for key, inner in value.items()}
    return value


@reproducible
@given(any_value)
def test_the_json_renderer_writes_any_value_as_strict_json_equal_to_that_of_drf(value) -> None:
    assert read_strictly(JSONRenderer().render(value)) == null_for_nan(read_from_drf(value))


@reproducible
@given(any_value, any_value)
def test_rendered_json_in_parts_is_equal_to_json_rendered_at_once(left, right) -> None:
    whole = {"left": left, "right": [right]}
    halves = {"left": Rendered.json(left), "right": [Rendered.json(right)]}
    assert orjson.loads(encode(halves)) == orjson.loads(encode(whole))
