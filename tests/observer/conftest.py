"""What the tests of observers share: changes that are told."""

import pytest

from rest_channels.observer.capture import changes, registry, signals


class Watcher:
    """Who wants to know of a model. In: `group`, a row → the name of its group."""

    keeps_instance = False
    listening = True

    def __init__(self, model, group=None, many_to_many=False):
        self.id = model.__name__
        self.model = model
        self.many_to_many = many_to_many
        self.groups_need_row = group is not None
        self.group = group
        signals.watch(self)

    def has_subscribers(self):
        return self.listening

    def groups_of(self, pk, row):
        return ["all"] if self.group is None else [self.group(row)]


@pytest.fixture(autouse=True)
def no_watcher_is_left(monkeypatch):
    """A test that failed keeps its watchers alive: the next one does not hear them."""
    monkeypatch.setattr(registry, "_watchers", dict(registry._watchers))


@pytest.fixture
def told():
    """What was told: lists of (pk, group, action), one list for each commit."""
    heard = []

    def hear(committed):
        told = [
            (change.pk, group, str(action))
            for change in committed
            for watcher, group, action in change.notifications()
            if isinstance(watcher, Watcher)
        ]
        if told:
            heard.append(told)

    changes.listeners.append(hear)
    yield heard
    changes.listeners.remove(hear)
