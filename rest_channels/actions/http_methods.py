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
DRF_NAMES = {"patch": "partial_update", "delete": "destroy"}
"""The names that actions have in DRF's viewsets, where they differ."""


def http_method_of(action: str, given: str | None = None) -> str:
    """Return the HTTP method of `action`: `given`, else the usual one of its name, else POST."""
    if given is not None:
        return given
    if action.startswith(("subscribe_", "unsubscribe_")):
        return "GET"
    return ACTION_METHODS.get(action, "POST")
