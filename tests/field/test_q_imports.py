"""What was left as an import of another package is refused where it would be ignored.

The other packages need not be installed: their parts are imitated here.
"""

from types import SimpleNamespace

import pytest
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import User

from rest_channels import decorators, observer, permissions
from rest_channels.checks.classes import class_messages
from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.introspection.routes import Entry
from rest_channels.mixins import ListModelMixin
from rest_channels.views import SocketView

DCRF = """
from functools import wraps

class ModelObserver:
    def __init__(self, func): self.func = func
    def groups_for_consumer(self, func): return self
    def subscribe(self, consumer): ...

def action(func):
    func.action, func.kwargs = True, {}
    return func

def detached(func):
    @wraps(func)
    async def wrapper(self): self.detached_tasks.append(func)
    return wrapper

class OperandHolder:
    def __init__(self, operator, left, right): self.op1_class, self.op2_class = left, right
    def __call__(self): ...

class Holding(type):
    def __and__(self, other): return OperandHolder("and", self, other)

class AllowAny(metaclass=Holding):
    async def has_permission(self, scope, consumer, action, **kwargs): return True

class AsyncAPIConsumer(BASE):
    @classmethod
    def as_asgi(cls):
        async def app(scope, receive, send): ...
        app.consumer_class = cls
        return app
"""

CHANX = """
from functools import wraps

def ws_handler(func):
    @wraps(func)
    async def wrapper(self): ...
    return wrapper

class AsyncJsonWebsocketConsumer: ...
"""


def imitate(name, source):
    names = {"__name__": name, "BASE": AsyncJsonWebsocketConsumer}
    exec(source, names)
    return SimpleNamespace(**names)


dcrf = imitate("djangochannelsrestframework.parts", DCRF)
chanx = imitate("chanx.core.decorators", CHANX)


def new_method():
    async def notes(self, **kwargs): ...

    return notes


REFUSED = {
    "an observer": (dcrf.ModelObserver(new_method()), "rest_channels.observer"),
    "a detached method": (dcrf.detached(new_method()), "rest_channels.decorators"),
    "an action of a wrapped def": (
        dcrf.action(database_sync_to_async(lambda self: None)),
        "import action from rest_channels.decorators",
    ),
    "a handler of chanx": (chanx.ws_handler(new_method()), "@action()"),
}


@pytest.mark.parametrize("base", [AsyncAPIConsumer, SocketConsumer, SocketView])
@pytest.mark.parametrize("what", REFUSED)
def test_a_part_of_another_package_is_refused_with_what_to_import(base, what):
    value, advice = REFUSED[what]
    with pytest.raises(TypeError, match="has no effect") as error:
        type("Own", (base,), {"notes": value})
    assert advice in str(error.value)
    assert "Own.notes" in str(error.value)


def test_a_part_of_another_package_in_a_mixin_is_refused():
    mixin = type("Mixin", (), {"notes": dcrf.ModelObserver(new_method())})
    with pytest.raises(TypeError, match=r"Mixin\.notes has no effect"):
        type("Own", (mixin, AsyncAPIConsumer), {})


def test_a_consumer_of_chanx_as_a_base_is_refused():
    with pytest.raises(TypeError, match="has no effect: SocketConsumer or AsyncAPIConsumer"):
        type("Own", (chanx.AsyncJsonWebsocketConsumer, SocketConsumer), {})


def test_a_tree_of_dcrf_with_a_permission_of_this_library_is_refused():
    tree = dcrf.AllowAny & (dcrf.AllowAny & permissions.IsAuthenticated)
    with pytest.raises(TypeError, match=r"write the other classes as rest_channels\.permissions"):
        type("Own", (AsyncAPIConsumer,), {"permission_classes": [tree]})
    type("Own", (AsyncAPIConsumer,), {"permission_classes": [dcrf.AllowAny & dcrf.AllowAny]})


@pytest.mark.parametrize("hook", ["serializer", "groups", "groups_for_signal"])
@pytest.mark.parametrize("function", [new_method(), database_sync_to_async(lambda self: None)])
def test_an_observer_refuses_a_hook_that_is_async(hook, function):
    notes = observer.model_observer(User)(new_method())
    with pytest.raises(TypeError, match=rf"\.{hook} takes a def"):
        getattr(notes, hook)(function)


# What this library has, in consumers of other packages.

PARTS = {
    "an action": {"notes": decorators.action()(new_method())},
    "an observer": {"notes": observer.model_observer(User)(new_method())},
    "a detached method": {"notes": decorators.detached(new_method())},
}


@pytest.mark.parametrize("base", [dcrf.AsyncAPIConsumer, AsyncJsonWebsocketConsumer])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_this_library_in_a_consumer_of_another_package_is_an_error(base, part):
    consumer = type("Own", (base,), PARTS[part])
    assert found(consumer) == ["rest_channels.E029"]


def test_a_mixin_of_this_library_in_a_consumer_of_another_package_is_an_error():
    consumer = type("Own", (ListModelMixin, dcrf.AsyncAPIConsumer), {})
    assert found(consumer) == ["rest_channels.E029"]


def test_other_consumers_of_channels_are_no_error():
    assert found(type("Own", (AsyncJsonWebsocketConsumer,), {"notes": new_method()})) == []
    own = type("Own", (ListModelMixin, GenericAsyncAPIConsumer), {"queryset": User.objects.all()})
    assert "rest_channels.E029" not in found(own)


def found(consumer):
    return [message.id for message in class_messages([Entry("path('x/')", consumer.as_asgi())])]
