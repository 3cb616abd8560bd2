"""What asgiref's `Local`s keep in context variables: whether it is there, and whether it can move.

The attributes of a `Local`, such as Django's active language, belong to one thread, also where a
context moves to another on purpose. asgiref has no public function that moves them.

To ask a `Local` for a value that it does not have raises an error, which takes two microseconds.
Each `Local` has context variables of its own. As long as none of these is set, there is no value.
"""

from collections.abc import Callable
from contextvars import Context, ContextVar
from functools import cached_property
from typing import Any

from asgiref.local import Local

__all__ = ["LOCALS_CAN_MOVE", "STORAGE", "LocalValue", "examine_locals"]


class LocalValue:
    """A value of a `Local`, such as the active time zone. `set_any()` sets it to any value."""

    def __init__(self, set_any: Callable[[], object]) -> None:
        self._set_any = set_any

    @cached_property
    def _variables(self) -> tuple[ContextVar[Any], ...]:
        context = Context()
        context.run(self._set_any)
        return tuple(context)

    def may_be_set(self) -> bool:
        """Return whether it may have a value in the running context."""
        variables = self._variables
        for variable in variables:
            if variable.get(None) is not None:
                return True
        return not variables  # then it is kept elsewhere


def examine_locals() -> tuple[type[Any], bool]:
    """Return the class of what a `Local` keeps in a context, and whether it can be moved."""
    local, context = Local(), Context()
    context.run(setattr, local, "name", "value")
    ((variable, storage),) = context.items()
    other_thread = -1
    try:
        context.run(variable.set, type(storage)(other_thread, storage.data))
    except (AttributeError, TypeError):
        return type(storage), False
    return type(storage), not context.run(hasattr, local, "name")


STORAGE, LOCALS_CAN_MOVE = examine_locals()
"""If they can move, `STORAGE(get_ident(), storage.data)` has those of `storage` for this thread."""
