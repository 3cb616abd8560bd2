"""The context variables in which asgiref's `Local`s keep their attributes.

The attributes of a `Local`, such as Django's active language, belong to one thread, also where a
context moves to another on purpose. asgiref has no public function that moves them.
"""

from contextvars import Context, ContextVar
from typing import Any

from asgiref.local import Local

__all__ = ["LOCALS_CAN_MOVE", "STORAGE", "examine_locals", "variable_of"]


def variable_of(local: Local) -> ContextVar[Any] | None:
    """Return the context variable of `local`. It has a value where `local` may have attributes.

    To ask this takes a tenth of what it takes to ask `local` for an attribute that it does not
    have. `None`: the installed asgiref keeps them elsewhere.
    """
    context = Context()
    context.run(setattr, local, "name", None)
    context.run(delattr, local, "name")
    return next(iter(context), None)


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
