"""Check the decorators of a method: nothing here reads the marks of those of other packages."""

from inspect import isfunction
from typing import Any

from asgiref.sync import SyncToAsync

from .names import package_of
from .unsupported import OPTIONS

__all__ = ["check_decorators"]

OTHER_PACKAGES = {
    "chanx": "write @action() of rest_channels.decorators above a method of an AsyncAPIConsumer",
    "djangochannelsrestframework": "import the decorator of the same name from "
    "rest_channels.decorators",
}
"""Packages whose decorated methods only their own consumers call, with what to write."""

DECORATED = (
    "authentication_classes",
    "content_negotiation_class",
    "metadata_class",
    "parser_classes",
    "permission_classes",
    "renderer_classes",
    "schema",
    "throttle_classes",
    "throttle_scope",
    "versioning_class",
)
"""What DRF's decorators of function views set on a function. Nothing reads it on a method."""


def check_decorators(where: str, value: Any) -> None:
    """Raise `TypeError` for what a decorator of another package has made of a method."""
    if isfunction(value) or isinstance(value, SyncToAsync):  # that of database_sync_to_async
        _check_marks(where, value)
    advice = OTHER_PACKAGES.get(package := package_of(value))
    if advice is None or isinstance(value, type):  # a class may be one that is called here
        return
    if hasattr(value, "groups_for_consumer"):
        advice = "import model_observer and observer from rest_channels.observer"
    raise TypeError(f"{where} has no effect, because it comes from {package}: {advice}.")


def _check_marks(where: str, function: Any) -> None:
    if (package := _package_of_action(function)) is not None:
        raise TypeError(
            f"@action of {package} has no effect on {where}: import action from "
            "rest_channels.decorators."
        )
    for name in DECORATED:
        if name in vars(function):
            advice = f"write @action({name}=…), or {name} = … in the class"
            advice = OPTIONS["@action"].get(name, advice)
            raise TypeError(f"@{name} has no effect on {where}: {advice}.")


def _package_of_action(function: Any) -> str | None:
    """Return the package whose `@action` has marked `function`, or `None`."""
    if {"mapping", "detail", "url_path"} <= vars(function).keys():
        return "rest_framework"
    return "djangochannelsrestframework" if getattr(function, "action", None) is True else None
