"""The system check of route patterns."""

import gc
import re
import sys

import pytest

from rest_channels.protocol.patterns import slow_part
from sockets import SocketRouter
from sockets.checks import check_patterns
from sockets.handlers import RoutedSocketHandler

DANGEROUS = [r"(a+)+", r"(A_?)+x{2,}|(\w+\s?)*$", r"(?:GAME_.*)+", r"((ab)*c)*", r"(?P<n>\d+,?)+"]
HARMLESS = [r"GAME_ACTION_.+", r"[a-z(+)]+", r"\(a+\)+", r"(a|b)+", r"(ab){2}", r"(a+)", r"a+b*"]


@pytest.mark.parametrize("pattern", DANGEROUS)
def test_the_check_finds_nested_quantifiers(pattern) -> None:
    assert slow_part(pattern) is not None


@pytest.mark.parametrize("pattern", HARMLESS)
def test_the_check_accepts_other_patterns(pattern) -> None:
    assert slow_part(pattern) is None


@pytest.fixture(autouse=True)
def collect_classes():
    """Collect the handlers and routers of these tests, so that other tests do not find them."""
    yield
    gc.collect()


def warnings_for(pattern):
    """Return the warnings for `pattern` only: classes of other tests may still exist."""
    return [message for message in check_patterns(None) if repr(pattern) in message.msg]


def test_a_dangerous_route_of_a_handler_and_its_subclass_gives_one_warning() -> None:
    class Handler(RoutedSocketHandler):
        routes = ((re.compile(r"(A_)+(B+)+"), print),)

    class Subclass(Handler):
        pass

    [warning] = warnings_for("(A_)+(B+)+")
    assert warning.obj in (Handler, Subclass)
    assert warning.msg.startswith("The route pattern '(A_)+(B+)+' has nested quantifiers.")


def test_a_dangerous_route_of_a_router_gives_a_warning_and_the_router_stays_open() -> None:
    router = SocketRouter()
    router.route(re.compile(r"(GAME_.+)+"))(print)
    [warning] = warnings_for("(GAME_.+)+")
    assert warning.obj is router
    router.route("MOVE")(print)


def test_a_type_longer_than_the_limit_is_not_matched_against_patterns() -> None:
    class Handler(RoutedSocketHandler):
        routes = ((re.compile("A+"), print),)

    dialect = Handler._dialect
    assert Handler._route_table.find(dialect.parse_call({"type": "A" * 256}).name) is not None
    assert Handler._route_table.find(dialect.parse_call({"type": "A" * 257}).name) is None


def test_the_check_also_finds_routers_that_only_asgi_application_imports(
    settings, tmp_path, monkeypatch
) -> None:
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
    [warning] = warnings_for("(EVIL_+)+")
    assert warning.id == "sockets.W001"
    for name in ("evil_asgi", "evil_routes"):
        del sys.modules[name]
