"""The functions of a hub that other processes may call."""

from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Command", "command", "commands"]


class Command:
    """A function of a hub that other processes may call, by a name that never changes.

    Two releases share a broker during an upgrade. Therefore the name on the wire is not the name
    of the function: the other release would ignore a command whose function was renamed.
    """

    def __init__(self, wire_name: str, function: Callable[..., Awaitable[Any] | None]) -> None:
        self.wire_name = wire_name
        self._function = function
        self.__doc__ = function.__doc__

    def __call__(self, hub: Any, *args: Any) -> Awaitable[Any] | None:
        """Run the command on `hub`. Return an awaitable if it is not done yet."""
        return self._function(hub, *args)


commands: dict[str, Command] = {}
"""The registered commands, by their names on the wire."""


def command(wire_name: str) -> Callable[[Callable[..., Any]], Command]:
    """Let other processes call the decorated `function(hub, *args)` by `wire_name`."""

    def register(function: Callable[..., Any]) -> Command:
        commands[wire_name] = registered = Command(wire_name, function)
        return registered

    return register
