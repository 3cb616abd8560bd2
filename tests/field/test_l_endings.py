"""What user code may still do while its connection ends, and afterwards."""

import pytest

from rest_channels.engine.connection_identity import ConnectionScope


@pytest.mark.parametrize("names", [("changed",), ("owner",), ("owner", "changed")])
def test_a_thread_may_log_in_a_user_at_the_moment_when_its_connection_ends(names) -> None:
    class UserKey(str):
        """The key of the user. When the scope looks at it, the loop ends the connection."""

        __hash__ = str.__hash__

        def __eq__(self, other):
            for name in names:
                setattr(scope, name, None)
            return str.__eq__(self, other)

    told = []
    connection = object()
    scope = ConnectionScope({})
    scope.owner, scope.changed = connection, told.append
    scope[UserKey("user")] = "ada"
    assert told == [connection]
