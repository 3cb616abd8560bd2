"""Lines of the log that clients could repeat go through `log_for_client`, which limits them."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import rest_channels
import sockets

LEVELS = {"critical", "error", "exception", "info", "log", "warn", "warning"}
"""Not `debug`, which sites do not write to their logs."""

NOT_REPEATED_BY_CLIENTS = {
    # Once in a process, or once until something else has happened that no client can cause.
    "rest_channels/cluster/layer.py configuration_error": "once: the result is cached",
    "rest_channels/cluster/link.py Link._open": "once after each outage of the layer",
    "rest_channels/cluster/link.py Link._receive_message": "once for each link",
    "rest_channels/cluster/link.py Link._record_failure": "once in each outage of the layer",
    "rest_channels/engine/account_rules.py _load_backends": "once: the result is cached",
    "rest_channels/engine/hub.py Hub._warn_of_missing_history": "once for each hub",
    "rest_channels/engine/publish.py _warn_that_nothing_receives": "once in a process",
    "rest_channels/history/stores/redis_host.py warn_of_eviction": "once: the result is cached",
    "rest_channels/routing/application.py SocketApplication._serve_lifespan": "at the start",
    "rest_channels/routing/first_use.py FirstUse._check": "once in a process, two lines",
    "rest_channels/routing/lifespan.py InnerLifespan._end": "at the start and the end",
    # At most once in a fixed time, whatever clients do.
    "rest_channels/cluster/layer.py LayerConnection.fail": "once for each attempt to connect",
    "rest_channels/cluster/listeners.py Listeners.open_channel": "once in FAILURE_PAUSE",
    "rest_channels/cluster/packet_sender.py PacketSender._record_loss": "once in 10 heartbeats",
    "rest_channels/engine/history_writer.py HistoryWriter._repeat": "once in RETRY_FOR",
    "rest_channels/engine/recovery.py Recovery._compare_often": "once in COMPARE_EVERY",
    "rest_channels/observer/delivery/dispatcher.py ChangeDispatcher.put": (
        "once for MAX_WAITING_CHANGES changes or MAX_WAITING_BYTES"
    ),
    "sockets/presence.py Presence.heartbeat": "once in each heartbeat",
    # No client has part in it.
    "rest_channels/cluster/layer.py LayerConnection._read": "another program wrote to the layer",
    "rest_channels/concurrency/testcase.py _commit_until": "only in tests",
    "rest_channels/concurrency/testcase.py run_commit_hooks": "only in tests",
}
"""A function that logs by itself → why no client can make it log without limit."""


NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def functions_that_log(node: ast.AST, name: str = "") -> Iterator[str]:
    """Yield the name of a function for each line in it that calls a logger itself."""
    if isinstance(node, ast.Attribute) and node.attr in LEVELS:
        owner = ast.unparse(node.value).lower().rsplit(".")[-1]
        if "log" in owner:
            yield name
    inner = f"{name}.{node.name}".lstrip(".") if isinstance(node, NAMED) else name
    for child in ast.iter_child_nodes(node):
        yield from functions_that_log(child, inner)


def functions_of_the_packages() -> Iterator[str]:
    for package in (rest_channels, sockets):
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            module = path.relative_to(root.parent).as_posix()
            if module != "rest_channels/client_logs.py":
                for name in functions_that_log(ast.parse(path.read_text())):
                    yield f"{module} {name}"


def test_only_lines_that_no_client_can_repeat_are_logged_without_a_limit() -> None:
    found = Counter(functions_of_the_packages())
    assert found.keys() - NOT_REPEATED_BY_CLIENTS.keys() == set(), "use log_for_client"
    assert NOT_REPEATED_BY_CLIENTS.keys() - found.keys() == set(), "these log nothing themselves"
    several = {name for name, count in found.items() if count > 1}
    assert several == {"rest_channels/routing/first_use.py FirstUse._check"}


def test_the_search_finds_each_way_to_call_a_logger() -> None:
    source = """
class A:
    def f(self):
        logger.error("")
        self._log.exception("")
        log_for_client(logger, logging.ERROR, "")
        math.log(1)

warn = partial(logging.getLogger("a").warning, "")
logger.debug("")
"""
    assert [*functions_that_log(ast.parse(source))] == ["A.f", "A.f", ""]
