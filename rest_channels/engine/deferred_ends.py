"""Close a connection once its handlers have ended, which may be logging a user in or out."""

from collections.abc import Callable, Collection
from typing import Any

from .fanout import Member
from .hub import Hub
from .identity_index import RevocationIndex

__all__ = ["close_later"]


def close_later(
    index: RevocationIndex,
    connection: Member,
    sharing: Collection[Member],
    close: Callable[[], Any],
    index_again: Callable[[Hub, Member], Any],
) -> None:
    """Call `close`, unless the handlers of those `sharing` its session log in or out.

    If only the running call can do so, then before the next frame is handled. `index_again` is
    called if the connection has the same user in a session with another key.
    """
    identity = index.identities[connection]  # as it is now, not when the handlers have ended

    def decide() -> None:
        if index.identities.get(connection) is not identity:
            return  # a handler has logged a user in or out
        if identity.session_moved() and identity.keeps_login():
            index_again(index.hub, connection)
        else:
            close()

    def decide_after_call() -> None:
        others = [each.call_queue.busy for each in sharing if each is not connection]
        others += [each.has_other_handlers for each in sharing]
        if not any(others) and connection.identity_check is None:
            decide()

    if connection.call_queue.busy:
        connection.call_queue.call_after_item(decide_after_call)
    index.hub.start_task(_decide_later(sharing, decide))


async def _decide_later(sharing: Collection[Member], decide: Callable[[], None]) -> None:
    for each in sharing:
        await each.wait_for_handlers()
    for each in sharing:
        await each.wait_for_detached()
    decide()
