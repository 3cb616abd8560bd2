"""Find the arguments of a view for a frame: those that a URL of the view could have."""

import re
from collections.abc import Set
from inspect import getclosurevars
from typing import Any

from django.utils.translation import gettext as _

from ..protocol.arguments import Parameters, parameters
from .site_urls import SiteURL, code_of, urls_of, view_class_of

__all__ = ["DETAIL_ACTIONS", "view_arguments"]

DETAIL_ACTIONS = ("retrieve", "update", "partial_update", "destroy")
"""The actions of one object, whose key DRF's routers put into the path."""

API_VIEW_HANDLER = "api_view.<locals>.decorator.<locals>.handler"  # it calls a function, `func`
_GROUP_NAME = re.compile(r"<(?:\w+:)?(\w+)>")  # in the `url_path` of an extra action


def view_arguments(
    view: Any, method: str, given: dict[str, Any], own: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of `view`, and errors by name for those that no URL could have.

    The arguments that the URL conf gives to the view itself are among them. No client chooses
    those, and they may be what keeps it from reading more. They are those of the URL that captures
    the same names, else those of the first URL.

    Args:
        view: A view function.
        method: The HTTP method of the request.
        given: The arguments that the frame gives.
        own: The arguments of the connection's path, which override all others.
    """
    target = _Target(view, method)
    errors: dict[str, Any] = {}
    for name, value in given.items():
        if not target.accepts(name):
            errors[name] = [_("There is no such argument.")]
        elif isinstance(value, bool) or not isinstance(value, str | int):
            errors[name] = [_("This has to be text or a whole number.")]
    arguments = {**given, **target.fixed_arguments({*given, *own}), **own}
    missing = target.required_names() - arguments.keys()
    errors |= {name: [_("This argument is required.")] for name in missing}
    return arguments, errors


class _Target:
    """The function that a view calls for one HTTP method, with the URLs of the view."""

    def __init__(self, view: Any, method: str) -> None:
        self.view = view
        self.cls = view_class_of(view)
        self.urls: list[SiteURL] = urls_of(view)
        self.action: str | None = (getattr(view, "actions", None) or {}).get(method.lower())
        function: Any = view
        positional = 1
        if self.cls is not None:
            function = getattr(self.cls, self.action or method.lower(), None)
            positional = 2
            if getattr(function, "__qualname__", "") == API_VIEW_HANDLER:
                function = getclosurevars(function).nonlocals["func"]
                positional = 1
        self.function = function
        self.parameters = _parameters(function, positional)

    @property
    def key(self) -> str:
        """The name of the argument with the key of a row."""
        name = getattr(self.cls, "lookup_url_kwarg", None) or getattr(
            self.cls, "lookup_field", "pk"
        )
        return str(name)

    @property
    def _keys(self) -> tuple[Any, ...]:
        """All names that the key may have. A `DetailView` finds a row by one of two."""
        cls = self.cls
        return self.key, getattr(cls, "pk_url_kwarg", None), getattr(cls, "slug_url_kwarg", None)

    def accepts(self, name: str) -> bool:
        """Return whether a URL could give the argument `name`.

        Without a URL, these are the key and the names in the signature without a default. Defaults
        are the site's, and the code may trust whatever else it reads in `**kwargs`.
        """
        known = self.parameters
        if name in ("self", "request"):
            return False
        if name not in known.names and not known.has_var_keyword:
            return False
        if any(name in url.captures for url in self.urls) or name in self._viewset_names():
            return True
        return not self.urls and name in (*known.required, *self._keys)

    def fixed_arguments(self, names: Set[str]) -> dict[str, Any]:
        """Return the arguments that the URL conf gives to the view where it captures `names`."""
        first = self.urls[0].fixed if self.urls else {}
        return next((url.fixed for url in self.urls if url.captures == names), first)

    def required_names(self) -> set[str]:
        """Return the names that each URL of the view has, and for which the view has no default.

        Code that takes `**kwargs` reads them there, or in `self.kwargs`.
        """
        if self.function is None:
            return set()  # it answers 405
        known = self.parameters
        always = set.intersection(*(set(url.certain) for url in self.urls)) if self.urls else set()
        missing_in_signature = always - known.names if known.has_var_keyword else set()
        required = always.union({self.key}).intersection(known.required) | missing_in_signature
        return required | ({self.key} if self._reads_object_by_key() else set())

    def _viewset_names(self) -> set[str]:
        """Return the names that DRF's routers put into the URLs of a viewset."""
        if self.action is None:
            return set()
        return {self.key, *_GROUP_NAME.findall(getattr(self.function, "url_path", None) or "")}

    def _reads_object_by_key(self) -> bool:
        from rest_framework.generics import GenericAPIView  # noqa: PLC0415 - it needs ready apps

        if getattr(self.cls, "get_object", None) is not GenericAPIView.get_object:
            return False
        if self.action is None:  # `RetrieveAPIView.get` calls `self.retrieve`
            if self.function.__module__ != GenericAPIView.__module__:
                return False
            return not set(DETAIL_ACTIONS).isdisjoint(code_of(self.function).co_names)
        return bool(self.view.initkwargs.get("detail")) or self.action in DETAIL_ACTIONS


def _parameters(function: Any, positional_count: int) -> Parameters:
    """Return the parameters after `request`; `**kwargs` if the function is not known."""
    try:
        return parameters(function, positional_count)
    except (TypeError, ValueError):  # no function: the view answers 405, or dispatches on its own
        return Parameters(frozenset(), (), frozenset(), True)
