"""Who is on which composition, as far as this process knows."""

from contextlib import contextmanager
from threading import Lock

ROLLS = {}  # composition → {connection: user name}
LOCK = Lock()


@contextmanager
def roll_call(composition, connection, name):
    """Note that `connection` came as `name`, or (`None`) went; gives the names that are there now.

    Nobody else's coming and going is noted until the block ends: the last list told is the latest.
    """
    with LOCK:
        roll = {**ROLLS.pop(composition, {}), connection: name}
        if not name:
            del roll[connection]
        if roll:
            ROLLS[composition] = roll
        yield sorted(set(roll.values()))
