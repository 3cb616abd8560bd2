"""Decorators that mark methods as routes, or adapt decorators of functions to methods."""

from functools import wraps

import pytest
from django.utils.decorators import method_decorator

from rest_channels.decorators import rest_channels, route_name, socket_route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def test_a_bare_socket_route_uses_the_name_of_the_method() -> None:
    @socket_route
    def save(self, request, data): ...

    assert route_name(save) == "save"


@pytest.mark.parametrize(("name", "expected"), [("stop-it", "stop-it"), (None, "save")])
def test_a_socket_route_may_set_another_name(name, expected) -> None:
    @socket_route(name)
    async def save(self, request, data): ...

    assert route_name(save) == expected


def test_a_marked_method_is_the_same_function() -> None:
    def save(self, request, data): ...

    assert socket_route(save) is save
    assert socket_route("other")(save) is save


@pytest.mark.parametrize("name", ["", 5, b"save", ["save"]])
def test_a_route_name_that_no_frame_can_have_raises_an_error_at_once(name) -> None:
    with pytest.raises(TypeError, match="takes the name a frame uses"):
        socket_route(name)


@pytest.mark.parametrize("thing", [None, 5, "save", print, object(), SocketView.send])
def test_a_method_without_a_mark_has_no_route_name(thing) -> None:
    assert route_name(thing) is None


def test_a_mark_that_is_not_text_makes_no_route() -> None:
    def save(self): ...

    save._rest_channels_route = 5
    assert route_name(save) is None


def upper_case(function):
    """Decorate a function, as the decorators of Channels 1 do."""

    @wraps(function)
    def wrapper(message, *args, **kwargs):
        message.upper = message.data.upper()
        return function(message, *args, **kwargs)

    return wrapper


@pytest.mark.parametrize("apply", [rest_channels, method_decorator])
async def test_rest_channels_applies_a_function_decorator_to_a_method(apply) -> None:
    class UpperCase(SocketView):
        @apply(upper_case)
        def receive(self, request, room):
            self.send_json([request.upper, room, self.args])

    async with SocketCommunicator(UpperCase.as_asgi(), kwargs={"room": "a"}) as socket:
        await socket.send_json("hey")
        await socket.expect_event(["HEY", "a", []])


@pytest.mark.parametrize("apply", [rest_channels, method_decorator])
async def test_rest_channels_applies_a_function_decorator_to_an_async_method(apply) -> None:
    class UpperCase(SocketView):
        @apply(upper_case)
        async def receive(self, request):
            await self.send_json(request.upper)

    async with SocketCommunicator(UpperCase.as_asgi()) as socket:
        await socket.send_json("hey")
        await socket.expect_event("HEY")


def test_a_decorated_method_keeps_its_name_and_docstring() -> None:
    class UpperCase:
        @rest_channels(upper_case)
        def receive(self, request):
            """Receive a frame."""

    assert (UpperCase.receive.__name__, UpperCase.receive.__doc__) == (
        "receive",
        "Receive a frame.",
    )
