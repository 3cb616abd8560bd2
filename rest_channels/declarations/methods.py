"""Check the decorators of a method: nothing here reads the marks of those of other packages."""

from typing import Any

from .unsupported import OPTIONS

__all__ = ["check_decorators"]

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


def check_decorators(where: str, function: Any) -> None:
    """Raise `TypeError` for a decorator of DRF or of djangochannelsrestframework on `function`."""
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
