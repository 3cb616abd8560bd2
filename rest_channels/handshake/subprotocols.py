"""The subprotocols of a handshake. One may hold a token, because browsers cannot set headers."""

from collections.abc import Sequence
from typing import Any

__all__ = ["acceptable", "authorization_of", "choose_subprotocol", "holds_token", "with_header"]

TOKEN_PREFIX = "authorization."  # noqa: S105 - of a subprotocol that holds a scheme and a token


def holds_token(subprotocol: str) -> bool:
    """Return whether a subprotocol holds a token, which no response may show."""
    return subprotocol.lower().startswith(TOKEN_PREFIX)


def acceptable(*subprotocols: str | None) -> str | None:
    """Return the first subprotocol that holds no token, or `None`."""
    for name in subprotocols:
        if name and not holds_token(name):
            return name
    return None


def choose_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the first subprotocol without a token if one with a token was offered, else `None`.

    A browser that offers subprotocols fails unless one of them is accepted. So it has to offer
    another one besides the token.
    """
    return acceptable(*offered) if any(map(holds_token, offered)) else None


def authorization_of(offered: Sequence[str]) -> str | None:
    """Return the header `Authorization` that the subprotocols stand for: `"Bearer <token>"`."""
    with_token = next((name for name in offered if name.startswith(TOKEN_PREFIX)), "")
    scheme, _dot, token = with_token.removeprefix(TOKEN_PREFIX).partition(".")
    return f"{scheme} {token}" if token else None


def with_header(scope: dict[str, Any], authorization: str) -> dict[str, Any]:
    """Return `scope` with that text as its header `Authorization`."""
    headers = [pair for pair in scope.get("headers", ()) if pair[0] != b"authorization"]
    return {**scope, "headers": [*headers, (b"authorization", authorization.encode())]}
