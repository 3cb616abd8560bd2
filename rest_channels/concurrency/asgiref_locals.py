"""Whether an asgiref `Local` may have a value in the running context, without asking it.

A `Local` without a value raises an error, which takes two microseconds. Each of them keeps its
values in context variables of its own. As long as none of these is set, there is no value.
"""

from collections.abc import Callable
from contextvars import Context, ContextVar
from functools import cached_property
from typing import Any

__all__ = ["LocalValue"]


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
