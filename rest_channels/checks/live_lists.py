"""Checks of the querysets of live lists: those that cannot be watched, and expensive ones.

Only the class attribute `queryset` can be looked at here. What `get_queryset` and `@live_query`
return is known when a client subscribes.
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from ..live.dependencies import UnwatchableQuery, find_dependencies
from ..observer.lists import LiveQuery, ObserverModelListMixin

__all__ = ["has_live_lists", "live_list_messages"]


def has_live_lists(cls: type[Any]) -> bool:
    """Return whether clients of a class can subscribe to live lists."""
    if issubclass(cls, ObserverModelListMixin):
        return True
    return any(isinstance(each, LiveQuery) for base in cls.__mro__ for each in vars(base).values())


def live_list_messages(cls: type[Any]) -> Iterator[CheckMessage]:
    """Yield E030 or W027 for the `queryset` of a class with live lists."""
    queryset = getattr(cls, "queryset", None)
    if not issubclass(cls, ObserverModelListMixin) or queryset is None:
        return
    name, label = cls.__name__, queryset.model._meta.label
    try:
        found = find_dependencies(queryset.all())  # it may be a manager
    except UnwatchableQuery as error:
        message = f"{name}.subscribe_list is always answered with 400: {error}"
        hint = (
            "Remove that part from queryset, or add an action for "
            "@live_query(serializer_class=…, reread=60)."
        )
        yield Error(message, hint, obj=cls, id="rest_channels.E030")
        return
    if found.rows_are_independent and not queryset.all().query.low_mark:
        return
    message = (
        f"Each change of any {label} reads each of the lists of {name} again, because one row may "
        "change which others are in them."
    )
    hint = (
        "Write a queryset without an offset, union(), distinct() of columns, grouped rows, window "
        "functions and a second use of its own table. Silence this if there are few lists, or few "
        "changes."
    )
    yield Warning(message, hint, obj=cls, id="rest_channels.W027")
