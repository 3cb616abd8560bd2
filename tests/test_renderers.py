"""Python → frames: DRF's values, strict JSON, and nothing encoded twice."""

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

steady = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def drf(value):
    """What a client of DRF would have read."""
    return json.loads(json.dumps(value, cls=JSONEncoder))


def strict(text):
    """`text` as a browser reads it."""
    return json.loads(text, parse_constant=no_constant)


def no_constant(name):
    raise AssertionError(f"{name} has left.")


def assert_as_drf(value):
    assert strict(JSONRenderer().render(value)) == drf(value)


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
def test_values_leave_as_drfs_encoder_makes_them(name) -> None:
    assert_as_drf({"value": VALUES[name], "list": [VALUES[name]]})
    assert_as_drf(VALUES[name])


def test_a_generator_is_a_list() -> None:
    assert encode(n for n in (1, 2)) == b"[1,2]"


@pytest.mark.parametrize(
    "value", [object(), deque([1]), UserList([1]), 1j, type, Exception("no"), dt.time.min]
)
def test_what_drf_cannot_encode_is_no_surprise_here(value) -> None:
    value = value.replace(tzinfo=dt.UTC) if isinstance(value, dt.time) else value
    with pytest.raises((TypeError, ValueError)):
        drf(value)
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_a_dataclass_is_refused_as_drf_refuses_it() -> None:
    @dataclass
    class Card:
        secret: str

    with pytest.raises(TypeError):
        encode({"card": Card("x")})


@pytest.mark.parametrize("language", ["de", "fr", "en"])
def test_lazy_text_is_rendered_in_the_language_that_is_active(language) -> None:
    with translation.override(language):
        rendered = strict(JSONRenderer().render({"day": gettext_lazy("Monday")}))
        assert rendered == {"day": str(gettext_lazy("Monday"))}
    assert {"de": "Montag", "fr": "lundi", "en": "Monday"}[language] == rendered["day"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/New_York"])
def test_an_aware_time_keeps_the_zone_it_has(zone) -> None:
    moment = dt.datetime(2026, 11, 21, 10, 30, tzinfo=dt.UTC)
    with timezone.override(zone):
        assert_as_drf([moment, timezone.localtime(moment)])


@override_settings(USE_TZ=False)
def test_without_time_zones_a_naive_time_leaves_as_it_is() -> None:
    assert_as_drf(VALUES["datetime naive"])


# Keys


@pytest.mark.parametrize(
    "key", [1, -5, 0, True, False, None, 1.5, -0.0, 1e16, Level.HIGH, Colour.RED, Kind.PLAIN]
)
def test_a_key_that_is_no_text_leaves_as_json_dumps_writes_it(key) -> None:
    assert_as_drf({key: 1, "text": {key: [2]}})


def test_a_small_float_as_a_key_leaves_as_orjson_writes_it() -> None:
    assert JSONRenderer().render({1e-7: 1}) == '{"1e-7":1}'


@pytest.mark.parametrize("key", [Text("a"), mark_safe("a"), ErrorDetail("a"), Whole(5)])
def test_a_key_of_a_subclass_leaves_as_what_it_is(key) -> None:
    assert_as_drf({key: 1})


@pytest.mark.parametrize("key", [(1, 2), b"a", object(), lazystr("a"), frozenset(), Decimal(1)])
def test_a_key_that_json_dumps_refuses_is_refused(key) -> None:
    with pytest.raises(TypeError):
        drf({key: 1})
    with pytest.raises(TypeError):
        encode({key: 1})


def test_values_beside_keys_that_are_no_text_are_drfs_too() -> None:
    assert_as_drf({1: VALUES["datetime aware"], 2: {None: VALUES["decimal"]}})


# Only strict JSON


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("shape", [lambda n: n, lambda n: [n], lambda n: {"a": {"b": (n,)}}])
def test_nan_and_infinity_leave_as_null(number, shape) -> None:
    text = JSONRenderer().render(shape(number))
    assert strict(text) == shape(None) or strict(text) == {"a": {"b": [None]}}


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, {"\ud800": 1}, 2**64, -(2**63) - 1])
def test_what_strict_json_cannot_hold_is_an_error_and_never_leaves(value) -> None:
    with pytest.raises(TypeError):
        JSONRenderer().render(value)


# Django's and DRF's containers


def test_a_query_dict_leaves_as_drf_renders_it() -> None:
    assert_as_drf(QueryDict("a=1&b=2"))
    assert_as_drf({"query": QueryDict("a=1&a=2")})


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


def test_a_serializers_data_of_one_and_of_many_leave_as_drf_renders_them() -> None:
    assert_as_drf(CardSerializer(CARD).data)
    assert_as_drf(CardSerializer([CARD, CARD], many=True).data)
    assert_as_drf({"results": CardSerializer([CARD], many=True).data})


def test_a_serializers_errors_leave_as_drf_renders_them() -> None:
    serializer = CardSerializer(data={"price": "dear"})
    serializer.is_valid()
    assert_as_drf(serializer.errors)


@pytest.mark.django_db
def test_querysets_leave_as_lists() -> None:
    User.objects.create(username="ada")
    Group.objects.create(name="pianists")
    for queryset in (
        User.objects.values("username", "date_joined", "last_login"),
        User.objects.values_list("username", flat=True),
        User.objects.values_list("username", "is_active"),
        User.objects.none(),
        Group.objects.values_list("name", "pk", named=True),
    ):
        assert_as_drf(queryset)
        assert_as_drf({"results": queryset})


@pytest.mark.django_db
def test_a_queryset_of_rows_is_refused_as_drf_refuses_it() -> None:
    User.objects.create(username="ada", password="secret")
    with pytest.raises(TypeError):
        encode(User.objects.all())


# Rendered


def test_what_was_rendered_is_stitched_in_and_not_encoded_again() -> None:
    body = Rendered(b'{"a":  1.10, "b":1e2}')
    assert encode({"data": body}) == b'{"data":{"a":  1.10, "b":1e2}}'
    assert encode([body, body]) == b'[{"a":  1.10, "b":1e2},{"a":  1.10, "b":1e2}]'
    assert encode(body) == body.body
    assert encode({1: {None: body}}) == b'{"1":{"null":{"a":  1.10, "b":1e2}}}'


def test_rendering_asks_the_data_once_however_often_it_is_used() -> None:
    asked = []

    class Once:
        def tolist(self):
            asked.append(1)
            return [1]

    body = Rendered.json({"a": Once()})
    for _time in range(3):
        assert encode({"data": body, "more": (body,)}).count(b'{"a":[1]}') == 2
    assert asked == [1]


def test_rendering_what_is_rendered_changes_nothing() -> None:
    body = Rendered.json({"a": Decimal("1.10")})
    assert Rendered.json(body) is body
    assert body.body.decode() == '{"a":1.1}'
    assert Rendered.json({"a": [body]}).body.decode() == '{"a":[{"a":1.1}]}'


def test_what_was_rendered_is_frozen_and_equal_by_its_body() -> None:
    body = Rendered.json([1])
    with pytest.raises(AttributeError):
        body.body = b"2"
    assert body == Rendered(b"[1]")
    assert len({body, Rendered(b"[1]")}) == 1


def test_messagepack_opens_what_was_rendered_as_json() -> None:
    body = Rendered.json({"a": Decimal("1.10")})
    assert msgpack.unpackb(MessagePackRenderer().render({"data": body})) == {"data": {"a": 1.1}}


# MessagePack


@pytest.mark.parametrize("name", VALUES.keys() - {"bytes", "decimal huge"})
def test_messagepack_holds_the_values_that_json_holds(name) -> None:
    packed = MessagePackRenderer().render({"value": VALUES[name]})
    assert msgpack.unpackb(packed) == drf({"value": VALUES[name]})


def test_messagepack_leaves_bytes_as_they_are() -> None:
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
def test_what_messagepack_sends_its_own_parser_takes_and_means_the_same_as_json(data) -> None:
    packed = MessagePackRenderer().render(data)
    assert MessagePackParser().parse(packed) == strict(JSONRenderer().render(data))


def test_messagepack_leaves_a_query_dict_as_drf_renders_it() -> None:
    packed = MessagePackRenderer().render(QueryDict("a=1&a=2"))
    assert msgpack.unpackb(packed) == {"a": "2"}


# Anything

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
anything = st.recursive(
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


@steady
@given(anything)
def test_whatever_leaves_is_strict_json_with_the_values_of_drfs_encoder(value) -> None:
    assert strict(JSONRenderer().render(value)) == null_for_nan(drf(value))


@steady
@given(anything, anything)
def test_a_rendered_half_reads_as_the_whole_would(left, right) -> None:
    whole = {"left": left, "right": [right]}
    halves = {"left": Rendered.json(left), "right": [Rendered.json(right)]}
    assert orjson.loads(encode(halves)) == orjson.loads(encode(whole))
