"""The HTTP method and the action name that DRF's permission classes see for an action."""

__all__ = ["DRF_NAMES", "http_method_of"]

ACTION_METHODS = {
    "connect": "GET",
    "create": "POST",
    "delete": "DELETE",
    "list": "GET",
    "list_cancel": "GET",
    "patch": "PATCH",
    "retrieve": "GET",
    "update": "PUT",
}
"""The HTTP method of each action; any other has POST."""

DRF_NAMES = {"patch": "partial_update", "delete": "destroy"}
"""The names that actions have in DRF's viewsets, where they differ."""

GET_PREFIXES = ("subscribe_", "unsubscribe_")
"""Actions whose names begin so have GET."""


def http_method_of(action: str, given: str | None = None) -> str:
    """Return the HTTP method of `action`: `given`, or the usual one of its name."""
    if given is not None:
        return given
    return "GET" if action.startswith(GET_PREFIXES) else ACTION_METHODS.get(action, "POST")
