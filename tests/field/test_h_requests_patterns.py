"""Route patterns that take very long for some texts are found by the checks."""

import re
import time

import pytest
from channels.routing import ProtocolTypeRouter

from rest_channels.checks import check_route_filters
from rest_channels.protocol.patterns import slow_part
from rest_channels.routing import SocketApplication, include, route
from sockets.checks import check_patterns
from sockets.handlers import RoutedSocketHandler

SLOW = [
    r"(a|a)+$",
    r"(ab|ab)*$",
    r"(a|b|ab)*c",
    r"(.*a){12}b",
    r"(a?){30}a{30}",
    r"(a?a?){15}c",
    r"(?:a|a?)+$",
    r"(aa?)+$",
    r"(x+x+)+y",
    r"([a-z]+)*$",
    r"(a*)*$",
    r"(a*?)*?$",
    r"(\d+)*[^\d]{3}",
    r"(\w+\s?)*$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?=(a+)+b)",
    r"(?P<name>(?:GAME|GA.E)_?)+$",
    r".*a.*a.*a.*a.*a.*b",
    r"a?" * 30 + r"a{30}",
    r"(a{1,9}){1,9}b",
    r"(?i)(a|A)+(b|B)?(A|a|aa)+$",
    r"(?>(a+)+b)",
]
FAST = [
    r"GAME_ACTION_.+",
    r"(GAME|CHAT|ROOM)_[A-Z_]+",
    r"(GAME|GROUP)_\d+",
    r"[a-z(+)]+",
    r"(a|b)+",
    r"(\w|\d)+$",
    r"(ab){2}",
    r"(A_?)+x",
    r"(ab?)+",
    r"(foo|foobar)+",
    r"a+b*",
    r"(?>a+)+b",
    r"(?:a++)+b",
    r"(\d{1,3}\.){3}\d{1,3}",
    r"^move(?:_(?:left|right))?$",
    r"[^:]+:[^:]+:.*",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_is_slow_for_some_texts_is_found(pattern) -> None:
    assert slow_part(re.compile(pattern)) is not None


@pytest.mark.parametrize("pattern", FAST)
def test_a_pattern_that_is_fast_for_all_texts_is_not_named(pattern) -> None:
    assert slow_part(re.compile(pattern)) is None


@pytest.mark.parametrize("pattern", FAST)
def test_a_pattern_that_is_not_named_is_fast_for_the_longest_type(pattern) -> None:
    for text in ("a" * 255 + "!", "ab" * 127 + "!", "foobar" * 42 + "!", "1" * 255 + "!"):
        before = time.process_time()
        re.match(pattern, text)
        assert time.process_time() - before < 0.2


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a|a)+$", "repeated alternatives that begin alike"),
        (r"(.*a){12}b", "nested quantifiers"),
        (r".*a.*b.*c.*d.*e", "many quantifiers for the same characters"),
    ],
)
def test_the_check_says_what_makes_a_pattern_slow(pattern, reason) -> None:
    class Handler(RoutedSocketHandler):
        routes = ((re.compile(pattern), print),)

    [warning] = [each for each in check_patterns(None) if each.obj is Handler]
    assert warning.msg.startswith(f"The route pattern {pattern!r} has {reason}.")


application = SocketApplication(
    [
        route("websocket.receive", print, text=r"(a|a)+$", path=r"^/ws/(?P<room>[a-z]+)/"),
        include([route("websocket.receive", print, path=r"(.*a){12}b")], path=r"(x+)+/"),
    ]
)


mounted = ProtocolTypeRouter({"websocket": application})


@pytest.mark.parametrize("name", ["application", "mounted"])
def test_the_check_finds_slow_filters_of_routes_and_of_includes(settings, name) -> None:
    settings.ASGI_APPLICATION = f"{__name__}.{name}"
    found = check_route_filters(None)
    assert [each.id for each in found] == ["rest_channels.W012"] * 3
    for text in ("text='(a|a)+$'", "path='(.*a){12}b'", "path='(x+)+/'"):
        assert any(text in each.msg for each in found)
