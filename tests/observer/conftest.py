"""Fixtures for the tests of observers."""

import pytest
from django.contrib.auth.models import User

from rest_channels.observer.capture import changes, registry, signals

from .models import Comment


class FakeObserver:
    """An observer of `model`. `group` returns the name of a row's group. `None`: it is "all"."""

    keeps_instance = False
    subscribed = True

    def __init__(self, model, group=None, many_to_many=False):
        self.id = model.__name__
        self.model = model
        self.many_to_many = many_to_many
        self.groups_need_row = group is not None
        self.group = group
        signals.connect_observer(self)

    def has_subscribers(self):
        return self.subscribed

    def groups_of(self, pk, row):
        return ["all"] if self.group is None else [self.group(row)]


def by_user(row):
    return f"user {row.user_id}"


@pytest.fixture(autouse=True)
def no_observer_is_left(monkeypatch):
    """Drop the observers of a test that failed, whose traceback keeps them alive."""
    monkeypatch.setattr(registry, "_observers", dict(registry._observers))


@pytest.fixture
def observe():
    """Make a `FakeObserver`, and keep it alive until the test ends."""
    observers = []

    def make(*args, **kwargs):
        observers.append(FakeObserver(*args, **kwargs))
        return observers[-1]

    return make


@pytest.fixture
def comments_by_user(observe):
    """An observer of comments with a group for each user."""
    return observe(Comment, by_user)


@pytest.fixture
def users():
    """Two users, ada and bob."""
    return [User.objects.create_user(name) for name in ("ada", "bob")]


@pytest.fixture
def published():
    """What is published to observers: a list of (pk, group, action) for each commit."""
    commits = []

    def listen(committed):
        notifications = [
            (change.pk, group, str(action))
            for change in committed
            for observer, group, action in change.notifications()
            if isinstance(observer, FakeObserver)
        ]
        if notifications:
            commits.append(notifications)

    changes.listeners.append(listen)
    yield commits
    changes.listeners.remove(listen)
