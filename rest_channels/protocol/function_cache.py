"""Results that are kept for a function as long as it exists.

A function may refer to the consumer of a connection, if a method of it has made it. So a cache must
not keep functions alive.
"""

from collections.abc import Hashable
from functools import partial
from typing import Any, TypeVar
from weakref import ref

__all__ = ["FunctionCache"]

T = TypeVar("T")


class FunctionCache(dict[Hashable, T]):
    """Results by keys with the `id()` of a function.

    Callers use `get` of the dict: it is five times as fast as a method that is written in Python.
    """

    def __init__(self) -> None:
        super().__init__()
        self._functions: dict[Hashable, ref[Any]] = {}

    def keep(self, function: Any, key: Hashable, result: T) -> T:
        """Keep `result` under `key` until `function` is freed, and its id may be that of another.

        Return `result`. Nothing is kept for what cannot be referred to weakly.
        """
        try:
            self._functions[key] = ref(function, partial(self._forget, key))
        except TypeError:
            return result
        self[key] = result
        return result

    def _forget(self, key: Hashable, _function: Any) -> None:
        self.pop(key, None)
        self._functions.pop(key, None)
