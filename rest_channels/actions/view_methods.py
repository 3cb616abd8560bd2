"""The HTTP method with which `view_as_consumer` calls a view for each action."""

from collections.abc import Mapping
from typing import Any

from ..decorators import HTTP_METHODS
from .http_methods import DRF_NAMES
from .site_urls import view_class_of
from .view_arguments import DETAIL_ACTIONS

__all__ = ["DEFAULT_METHODS", "check_mapping", "find_view", "is_viewset", "viewset_routes"]

DEFAULT_METHODS = {"create": "PUT", "update": "PATCH", "list": "GET", "retrieve": "GET"}
"""The HTTP methods of actions, for views that are no viewsets, as in DCRF."""

VIEWSET_METHODS = {
    "list": "get",
    "retrieve": "get",
    "create": "post",
    "update": "put",
    "partial_update": "patch",
    "destroy": "delete",
}
"""The HTTP methods that DRF's routers give to the actions of a viewset."""


def find_view(view: Any, actions: Mapping[str, str], name: str) -> tuple[Any, str] | None:
    """Return the function to call for the action `name`, and its HTTP method; `None` for no action.

    Args:
        view: A view function, a view class, or a viewset.
        actions: The HTTP method of each action. `DEFAULT_METHODS`: a viewset has its own actions,
            and any other view also has those named like an HTTP method.
        name: The name in the frame.
    """
    is_default = actions is DEFAULT_METHODS
    if is_viewset(view):
        viewset_name = DRF_NAMES.get(name, name)
        route = viewset_routes(view).get(viewset_name)
        if route is None or not (is_default or name in actions):
            return None
        method, initkwargs = route
        return view.as_view({method: viewset_name}, **initkwargs), method.upper()
    method = actions.get(name, name.upper() if is_default else "")
    if method not in HTTP_METHODS:
        return None
    return (view.as_view() if hasattr(view, "as_view") else view), method


def is_viewset(view: Any) -> bool:
    """Return whether `view` is the class of a viewset, and not the result of its `as_view()`."""
    return hasattr(view, "get_extra_actions")


def viewset_routes(view: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the HTTP method and the arguments of `as_view()` for each action, as DRF's routers."""
    model = getattr(getattr(view, "queryset", None), "model", None)
    common = {"basename": None if model is None else model._meta.object_name.lower()}
    routes = {
        name: (method, {**common, "detail": name in DETAIL_ACTIONS})
        for name, method in VIEWSET_METHODS.items()
        if callable(getattr(view, name, None))
    }
    for extra in view.get_extra_actions():
        initkwargs = {**common, "detail": extra.detail, **extra.kwargs}
        for method, name in extra.mapping.items():
            routes.setdefault(name, (method, initkwargs))
    return routes


def check_mapping(where: str, view: Any, actions: Any) -> None:
    """Raise `TypeError` for an action that `view` does not have, or with a wrong HTTP method."""
    if not isinstance(actions, Mapping):
        raise TypeError(f"{where} = {actions!r}: write a dict, such as {{'list': 'GET'}}.")
    for name, method in actions.items():
        if error := _mapping_error(view, name, method):
            raise TypeError(f"{where} has {name!r}: {method!r}, but {error}.")


def _mapping_error(view: Any, name: Any, method: Any) -> str | None:
    if not isinstance(name, str):
        return f"{name!r} is not text: write the name of an action"
    if method not in HTTP_METHODS:
        is_lower = isinstance(method, str) and method.upper() in HTTP_METHODS
        advice = repr(method.upper()) if is_lower else f"one of {', '.join(HTTP_METHODS)}"
        return f"{method!r} is no HTTP method: write {advice}"
    if is_viewset(view):
        if (route := viewset_routes(view).get(DRF_NAMES.get(name, name))) is None:
            return f"{view.__name__} has no action {name!r}"
        usual = route[0].upper()
        return None if method == usual else f"the viewset has another method: write {usual!r}"
    if _has_handler(view, method.lower()):
        return None
    return f"{view_class_of(view).__name__} has no method {method.lower()}()"


def _has_handler(view: Any, method: str) -> bool:
    """Return whether `view` may answer an HTTP method, in lower case, other than with 405."""
    cls = view_class_of(view)
    if cls is None or cls.dispatch.__module__.partition(".")[0] not in ("django", "rest_framework"):
        return True  # only its code knows
    names = (method, "get") if method == "head" else (method,)
    if method not in cls.http_method_names:
        return False
    if (actions := getattr(view, "actions", None)) is not None and method != "options":
        return not actions.keys().isdisjoint(names)
    return any(hasattr(cls, name) for name in names)
