"""Wait until the sessions, users and tokens that have changed are read again."""

import asyncio
from typing import Any

from ..concurrency.pool_blocks import blocks_other_work
from .hub import Hub
from .identity_index import RevocationIndex
from .revocation_index import check_connections

__all__ = ["wait_for_checks", "wait_for_identity"]


async def wait_for_checks(hub: Hub, timeout: float | None = None) -> None:
    """Wait until all that has changed was read again, for at most `timeout` seconds."""
    if checks := hub.get_component(RevocationIndex).checks():
        await asyncio.wait(checks, timeout=timeout)


async def wait_for_identity(connection: Any, *, nested: bool = False) -> None:
    """Wait until what has changed for `connection` was read again, and applied.

    `nested`: inside of a handler, which may be a `def` that waits in the thread that the check
    needs. Then the check is made here, for this connection. That of the hub follows.
    """
    if connection.identity_check is None:
        return
    if not nested or not blocks_other_work():
        await asyncio.wait({connection.identity_check})
        return
    index = connection.hub.get_component(RevocationIndex)
    for check in index.checks_of(connection):
        await check_connections(index, check, connection)
