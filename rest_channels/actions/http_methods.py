"""The HTTP method and the action name that DRF's permission classes see for an action."""

__all__ = ["ALIASES", "http_method_of"]

METHODS = {
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

ALIASES = {"patch": "partial_update", "delete": "destroy"}
"""The names that actions have in DRF's viewsets, where they differ."""

SAFE_PREFIXES = ("subscribe_", "unsubscribe_")
"""How the names of other actions begin for which they see GET."""


def http_method_of(action: str, given: str | None = None) -> str:
    """The HTTP method that DRF's classes see for `action`: the one `given`, or the usual one."""
    if given is not None:
        return given
    return "GET" if action.startswith(SAFE_PREFIXES) else METHODS.get(action, "POST")
