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
"""The HTTP method that DRF's classes see for an action; POST for those that are not here."""

DRF_NAMES = {"patch": "partial_update", "delete": "destroy"}
"""The names that actions have in DRF's viewsets, where they differ."""

SAFE_PREFIXES = ("subscribe_", "unsubscribe_")
"""How the names of other actions begin for which they see GET."""


def http_method_of(action: str, given: str | None = None) -> str:
    """The HTTP method that DRF's classes see for `action`: the one `given`, or the usual one."""
    if given is not None:
        return given
    return "GET" if action.startswith(SAFE_PREFIXES) else ACTION_METHODS.get(action, "POST")
