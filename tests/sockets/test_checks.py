"""What `manage.py check` finds in routers and routes."""

import gc
import re
import sys

import pytest

from sockets import SocketRouter
from sockets.checks import check_patterns, has_nested_quantifiers
from sockets.handlers import RoutedSocketHandler

DANGEROUS = [r"(a+)+", r"(A_?)+x{2,}|(\w+\s?)*$", r"(?:GAME_.*)+", r"((ab)*c)*", r"(?P<n>\d+,?)+"]
HARMLESS = [r"GAME_ACTION_.+", r"[a-z(+)]+", r"\(a+\)+", r"(a|b)+", r"(ab){2}", r"(a+)", r"a+b*"]


@pytest.mark.parametrize("pattern", DANGEROUS)
def test_a_repetition_of_a_repetition_is_found(pattern) -> None:
    assert has_nested_quantifiers(pattern)


@pytest.mark.parametrize("pattern", HARMLESS)
def test_other_patterns_are_let_be(pattern) -> None:
    assert not has_nested_quantifiers(pattern)


@pytest.fixture(autouse=True)
def tidy():
    """Handlers and routers of these tests are not to be found by other tests."""
    yield
    gc.collect()


def found(pattern):
    """The warnings of that pattern; classes of other tests may still be there."""
    return [message for message in check_patterns(None) if repr(pattern) in message.msg]


def test_a_dangerous_route_of_a_handler_is_warned_of_once() -> None:
    class Handler(RoutedSocketHandler):
        routes = ((re.compile(r"(A_)+(B+)+"), print),)

    class Heir(Handler):
        pass

    [warning] = found("(A_)+(B+)+")
    assert warning.obj in (Handler, Heir)
    assert warning.msg.startswith("The route pattern '(A_)+(B+)+' has nested quantifiers.")


def test_one_of_a_router_too_which_can_still_be_added_to() -> None:
    router = SocketRouter()
    router.route(re.compile(r"(GAME_.+)+"))(print)
    [warning] = found("(GAME_.+)+")
    assert warning.obj is router
    router.route("MOVE")(print)


def test_names_beyond_the_limit_meet_no_pattern() -> None:
    class Handler(RoutedSocketHandler):
        routes = ((re.compile("A+"), print),)

    dialect = Handler._dialect
    assert Handler._route_table.find(dialect.parse_call({"type": "A" * 256}).name) is not None
    assert Handler._route_table.find(dialect.parse_call({"type": "A" * 257}).name) is None


def test_what_only_the_socket_routes_import_is_found_too(settings, tmp_path, monkeypatch) -> None:
    (tmp_path / "evil_routes.py").write_text(
        "import re\n"
        "from sockets import SocketRouter\n"
        "live = SocketRouter()\n"
        "live.route(re.compile('(EVIL_+)+'))(print)\n"
        "urlpatterns = []\n"
    )
    (tmp_path / "evil_asgi.py").write_text(
        "from rest_channels.routing import SocketApplication\n"
        "application = SocketApplication('evil_routes')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings.ASGI_APPLICATION = "evil_asgi.application"
    [warning] = found("(EVIL_+)+")
    assert warning.id == "sockets.W001"
    for name in ("evil_asgi", "evil_routes"):
        del sys.modules[name]
