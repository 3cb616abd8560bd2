"""How the readings of many lists end."""

from unittest.mock import Mock

from rest_channels.live.schedule import QUERIES_PER_CALL, Schedule


class Calls:
    """Keeps what is to be called soon."""

    def __init__(self):
        self.soon = []

    def call_soon(self, callback):
        self.soon.append(callback)


def test_the_loop_does_other_work_while_the_clients_of_many_lists_are_told() -> None:
    calls, ended = Calls(), []
    schedule = Schedule(calls, lambda reading, done: ended.append((reading, done)))
    readings = [Mock() for _ in range(2 * QUERIES_PER_CALL + 1)]
    schedule.end(readings, True)
    for number in (1, 2):
        assert len(ended) == number * QUERIES_PER_CALL
        calls.soon.pop()()
    assert ended == [(reading, True) for reading in readings]
    assert calls.soon == []
