"""Find the session, user and token of a new connection, and notice when its scope gets others."""

import logging
from contextlib import suppress
from typing import Any

from ..client_logs import log_for_client, short_path
from ..concurrency.execution import handshake_thread, run
from ..exceptions import CloseCode
from .connection_identity import evaluate_identity, identity_is_evaluated, is_anonymous
from .hub import Hub
from .identity_index import IDENTITY_READ_AT, RevocationIndex
from .live_sessions import keep_live
from .revocation_index import index_connection, index_evaluated, next_check
from .shared_login import SHARED_LOGIN

__all__ = ["identify_connection"]

logger = logging.getLogger("rest_channels")


async def identify_connection(hub: Hub, connection: Any) -> bool:
    """Watch the session, user and token of a new connection, also when its scope gets others.

    Return `False` if they cannot be read, or if the user has too many sockets. Then the connection
    is closed. In the first case its client is asked to connect again.
    """
    scope = connection.scope
    anonymous = is_anonymous(scope)  # most clients of a public page: there is nothing to read
    if not anonymous and not identity_is_evaluated(scope):
        try:
            async with handshake_thread():
                await run(evaluate_identity, scope)
        except Exception as error:  # noqa: BLE001 - databases raise many kinds of errors
            text = "Cannot read the session and the user for %r."
            log_for_client(logger, logging.ERROR, text, short_path(scope), error=error)
            connection.accept()
            connection.close(CloseCode.CONNECT_FAILED)
            return False
    if anonymous:
        keep_live(scope.get("session"))  # now: a login in a handler is indexed without a query

    scope.owner, scope.changed = connection, _scope_changed
    if (login := scope.get(SHARED_LOGIN)) is not None:
        login.add(scope)
    if login is not None or not anonymous:  # it may have got the user of another stream
        index = hub.get_component(RevocationIndex)
        index_evaluated(index, connection)
        if index.has_changed(connection, scope.get(IDENTITY_READ_AT)):
            next_check(index).check_again(connection)
    return connection.address in hub.members  # its user has no more sockets than allowed


def _scope_changed(connection: Any) -> None:
    if connection.loop_bridge.on_loop():
        _identity_replaced(connection)
    else:
        with suppress(RuntimeError):  # the loop is closed: the handler has outlived it
            connection.hub.loop.call_soon_threadsafe(_identity_replaced, connection)


def _identity_replaced(connection: Any) -> None:
    hub = connection.hub
    index = hub.get_component(RevocationIndex)
    before = index.identities.get(connection)
    index_connection(hub, connection)
    login = connection.scope.get(SHARED_LOGIN)
    if login is not None and identity_is_evaluated(connection.scope):
        login.user_changed(connection.scope, None if before is None else before.user)
