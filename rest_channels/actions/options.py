"""Let attributes of a consumer follow the options of the action that is running.

`@action(permission_classes=[IsAdminUser])` replaces `self.permission_classes` during the action, as
in DRF's viewsets. Detached actions run beside others on the same consumer. So the value comes from
the context of the action, and is never set on the consumer.
"""

from collections.abc import Iterable
from typing import Any

from .context import current_action
from .plan import ActionPlan

__all__ = ["follow_options"]

MISSING: Any = object()


class ActionOption:
    """An attribute that has the value of the running action's option, else its usual value."""

    def __init__(self, name: str, usual: Any) -> None:
        self.name = name
        self.usual = usual

    def __get__(self, consumer: Any, owner: type) -> Any:
        if consumer is not None:
            context = current_action.get()
            if context is not None and context.options and self.name in context.options:
                return context.options[self.name]
            if self.name in vars(consumer):
                return vars(consumer)[self.name]
        if self.usual is MISSING:
            raise AttributeError(f"{owner.__name__} has no attribute {self.name!r}.")
        if hasattr(type(self.usual), "__get__"):  # a property
            return self.usual.__get__(consumer, owner)
        return self.usual

    def __set__(self, consumer: Any, value: Any) -> None:
        # An option has precedence. Else an attribute of the instance would undo a permission.
        vars(consumer)[self.name] = value

    def __delete__(self, consumer: Any) -> None:
        del vars(consumer)[self.name]


def follow_options(cls: type, plans: Iterable[ActionPlan]) -> None:
    """Let the attributes of `cls` that its actions replace follow the running action."""
    for name in {name for plan in plans for name in plan.options or ()}:
        setattr(cls, name, ActionOption(name, _usual(cls, name)))


def _usual(cls: type, name: str) -> Any:
    """Return the value of an attribute as classes define it, unbound."""
    for base in cls.__mro__:
        if name in vars(base):
            value = vars(base)[name]
            return value.usual if isinstance(value, ActionOption) else value
    return MISSING
