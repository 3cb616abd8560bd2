"""A process that has served and then forks: nothing of its parent is left in the child."""

import importlib
import pkgutil
import threading
import weakref
from collections import deque

import pytest

import rest_channels
import sockets

from .scripts import run_script

pytestmark = pytest.mark.programs

SERVE = """
import asyncio, os, sys, threading
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_channels"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    REST_CHANNELS={"THREAD_SENSITIVE": len(sys.argv) > 1},
)
import django
django.setup()
from asgiref.sync import SyncToAsync
from channels.layers import channel_layers, get_channel_layer
from rest_channels.cluster.counts import counts
from rest_channels.cluster.nodes import new_node
from rest_channels.cluster.standalone_publisher import publisher
from rest_channels.concurrency.threads import thread_pool
from rest_channels.engine import publish
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

class Echo(SocketView):
    def receive(self, request):
        self.send_json(request.data)

async def serve():
    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json(1)
        return await asyncio.wait_for(socket.receive_json(), 5)

def in_child(function):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            function()
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

print(asyncio.run(serve()))
"""


def test_def_handlers_run_in_a_child_of_a_process_that_has_served() -> None:
    script = SERVE + "in_child(lambda: print(asyncio.run(serve())))"
    assert run_script(script) == "1\n1\n"
    assert run_script(script, "thread-sensitive") == "1\n1\n"


def test_def_handlers_run_in_a_child_that_a_handler_forked() -> None:
    fork_in_handler = """
class Fork(SocketView):
    def receive(self, request):
        in_child(lambda: print(asyncio.run(serve())))
        self.send_json(2)

async def serve_fork():
    async with SocketCommunicator(Fork.as_asgi()) as socket:
        await socket.send_json(1)
        return await asyncio.wait_for(socket.receive_json(), 20)

print(asyncio.run(serve_fork()))
"""
    assert run_script(SERVE + fork_in_handler) == "1\n1\n2\n"


def test_every_process_wide_object_is_new_in_the_child() -> None:
    look = """
before = new_node(), get_channel_layer(), SyncToAsync.single_thread_executor
locks = publish._lock, counts._lock, thread_pool._lock, publisher._lock
for lock in locks:
    lock.acquire()
assert len(thread_pool) and publish._hubs

def child():
    assert not len(thread_pool) and not publish._hubs and publisher._thread is None
    for new, old in zip((publish._lock, counts._lock, thread_pool._lock, publisher._lock), locks):
        assert new is not old and new.acquire(timeout=1)
    assert new_node().split("-")[0] != before[0].split("-")[0]
    assert get_channel_layer() is not before[1]
    assert SyncToAsync.single_thread_executor is not before[2]
    print("new")

in_child(child)
"""
    assert run_script(SERVE + look) == "1\nnew\n"


RESET = {
    "rest_channels.engine.publish_kept._writers": "cleared",
    "rest_channels.cluster.counts.counts": "its lock",
    "rest_channels.cluster.nodes._process": "the name of the process",
    "rest_channels.cluster.standalone_publisher.publisher": "its thread, loop and lock",
    "rest_channels.concurrency.threads.thread_pool": "its threads and lock",
    "rest_channels.history.stores._stores": "connections and epochs of the parent",
    "rest_channels.engine.publish._hubs": "loops that do not run in the child",
    "rest_channels.engine.publish._lock": "may be locked",
}
KEPT = {
    "rest_channels.client_logs._counts": "counts log lines",
    "rest_channels.concurrency.pool_blocks._leasing": "its leases belong to tasks",
    "rest_channels.concurrency.serial_queue.waiting_tasks": "belongs to tasks",
    "rest_channels.history.policy._declared": "filled by classes",
    "rest_channels.engine.command_registry.commands": "filled by imports",
    "rest_channels.actions.authorization._awaited": "known of functions",
    "rest_channels.concurrency.execution._marked": "known of functions",
    "rest_channels.protocol.arguments._known": "known of functions",
    "rest_channels.engine.hub._heartbeat_work": "filled by imports",
    "rest_channels.engine.row_signals._watched": "its receivers are copied, too",
    "rest_channels.observer.naming._observers": "filled by imports",
    "rest_channels.observer.capture.registry._observers": "filled by imports",
    "rest_channels.observer.capture.cascades._fields": "filled by imports",
    "rest_channels.observer.capture.cascades._referring_rows": "belongs to instances",
    "rest_channels.observer.capture.changes.listeners": "filled by imports",
    "rest_channels.observer.capture.changes._batches": "belongs to database connections",
    "rest_channels.observer.capture.known_groups._known_groups": "belongs to instances",
    "rest_channels.observer.capture.known_groups._last_moves": "counts what this code has seen",
    "rest_channels.observer.capture.many_to_many._previous_values": "belongs to instances",
    "rest_channels.observer.capture.many_to_many._relations": "filled by imports",
    "rest_channels.observer.capture.saves._running": "belongs to instances",
    "rest_channels.observer.capture.signals._children": "belongs to instances",
    "rest_channels.observer.capture.signals._stored_rows": "belongs to instances",
    "rest_channels.console.urls.urlpatterns": "constant",
    "rest_channels.routing.first_use.first_use": "what the process serves",
    "rest_channels.serializer_fields._lookups": "belongs to classes",
    "rest_channels.settings.api_settings": "values of the settings",
    "sockets.cleanup._deleted": "belongs to querysets",
    "sockets.router.routers": "filled by imports",
}

MUTABLE = (dict, list, set, deque, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)
MUTABLE += (weakref.WeakSet, type(threading.Lock()), type(threading.RLock()))


def modules():
    for package in (rest_channels, sockets):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in found.name:
                yield importlib.import_module(found.name)


def is_process_wide(value, module):
    """Return whether a fork copies state with `value`: a container, a lock, or an own object."""
    own = type(value).__module__ == module.__name__ and hasattr(value, "__dict__")
    return isinstance(value, MUTABLE) or (own and not callable(value))


def test_every_mutable_object_of_a_module_is_reset_by_a_fork_or_listed_as_kept() -> None:
    found = {
        f"{module.__name__}.{name}"
        for module in modules()
        for name, value in vars(module).items()
        if not name.startswith("__") and not name.isupper() and is_process_wide(value, module)
    }
    imported = {name for name in found if name.rpartition(".")[2] in OWNERS and name not in LISTED}
    assert found - imported == LISTED


LISTED = RESET.keys() | KEPT.keys()
OWNERS = {name.rpartition(".")[2] for name in LISTED}
