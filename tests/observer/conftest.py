"""Fixtures for the tests of observers."""

import pytest
from django.contrib.auth.models import User

from rest_channels.observer.capture import changes, registry, signals

from .models import Comment


class Watcher:
    """A watcher of `model`. `group` returns the name of a row's group; without it that is "all"."""

    keeps_instance = False
    subscribed = True

    def __init__(self, model, group=None, many_to_many=False):
        self.id = model.__name__
        self.model = model
        self.many_to_many = many_to_many
        self.groups_need_row = group is not None
        self.group = group
        signals.watch(self)

    def has_subscribers(self):
        return self.subscribed

    def groups_of(self, pk, row):
        return ["all"] if self.group is None else [self.group(row)]


def by_user(row):
    return f"user {row.user_id}"


@pytest.fixture(autouse=True)
def no_watcher_is_left(monkeypatch):
    """Drop the watchers of a test that failed, whose traceback keeps them alive."""
    monkeypatch.setattr(registry, "_watchers", dict(registry._watchers))


@pytest.fixture
def watch():
    """Make a `Watcher`, and keep it alive until the test ends."""
    watchers = []

    def make(*args, **kwargs):
        watchers.append(Watcher(*args, **kwargs))
        return watchers[-1]

    return make


@pytest.fixture
def comments_by_user(watch):
    """A watcher of comments with a group for each user."""
    return watch(Comment, by_user)


@pytest.fixture
def users():
    """Two users, ada and bob."""
    return [User.objects.create_user(name) for name in ("ada", "bob")]


@pytest.fixture
def published():
    """What is published to watchers: a list of (pk, group, action) for each commit."""
    commits = []

    def listen(committed):
        notifications = [
            (change.pk, group, str(action))
            for change in committed
            for watcher, group, action in change.notifications()
            if isinstance(watcher, Watcher)
        ]
        if notifications:
            commits.append(notifications)

    changes.listeners.append(listen)
    yield commits
    changes.listeners.remove(listen)
