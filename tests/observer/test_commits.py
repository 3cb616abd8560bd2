"""When a change counts as committed: other people's hooks, and tests that never commit."""

import contextlib

import pytest
from django.db import transaction
from django.test import TestCase

from rest_channels.observer.capture import changes

from .conftest import Watcher
from .models import Country


@pytest.fixture
def countries(transactional_db):
    return Watcher(Country)


def test_another_hook_that_fails_takes_nothing_along(told, countries) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 / 0)
        Country.objects.create(code="de")
    assert told == [[("de", "all", "create")]]
    Country.objects.create(code="fr")
    assert told[1:] == [[("fr", "all", "create")]]


def test_what_a_hook_writes_is_a_transaction_of_its_own(told, countries) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: Country.objects.all().delete())
        Country.objects.create(code="de")
    assert told == [[("de", "all", "create")], [("de", "all", "delete")]]


def test_hooks_of_others_run_once_and_in_order(told, countries) -> None:
    ran = []
    with transaction.atomic():
        transaction.on_commit(lambda: ran.append(1))
        Country.objects.create(code="de")
        transaction.on_commit(lambda: Country.objects.update(name="a") and ran.append(2))
    assert (ran, len(told)) == ([1, 2], 1)


def test_a_listener_that_fails_leaves_the_others_alone(told, countries, caplog) -> None:
    changes.listeners.insert(0, None)
    try:
        Country.objects.create(code="de")
    finally:
        changes.listeners.remove(None)
    assert (told, "failed to publish" in caplog.text) == ([[("de", "all", "create")]], True)


def test_hooks_wait_until_autocommit_is_on_again(told, countries) -> None:
    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            Country.objects.create(code="de")
        transaction.commit()
        assert told == []
    finally:
        transaction.set_autocommit(True)
    assert told == [[("de", "all", "create")]]


class InATestsTransaction(TestCase):
    """Django's own tests, which roll everything back."""

    kept = []

    @classmethod
    def setUpClass(cls):
        cls.watcher = Watcher(Country)
        cls.addClassCleanup(delattr, cls, "watcher")
        cls.addClassCleanup(cls.kept.clear)
        super().setUpClass()

    @classmethod
    def setUpTestData(cls):
        cls.country = Country.objects.create(code="de")

    def setUp(self):
        self.told = []
        changes.listeners.append(self.hear)
        self.addCleanup(changes.listeners.remove, self.hear)

    def hear(self, committed):
        told = [
            (change.pk, str(action))
            for change in committed
            for watcher, _group, action in change.notifications()
            if watcher is self.watcher
        ]
        self.told += [told] if told else []

    def capture(self):
        return self.captureOnCommitCallbacks(execute=True)

    def test_rows_of_all_tests_are_not_told_in_each(self) -> None:
        with self.capture():
            self.country.save()
        assert self.told == [[("de", "update")]]

    def test_each_statement_is_a_transaction(self) -> None:
        with self.capture():
            self.country.save()
            self.country.delete()
        assert self.told == [[("de", "update")], [("de", "delete")]]

    def test_what_the_project_made_atomic_is_one(self) -> None:
        with self.capture():
            with transaction.atomic():
                country = Country.objects.create(code="fr")
                with contextlib.suppress(ValueError), transaction.atomic():
                    Country.objects.create(code="it")
                    raise ValueError
                country.save()
            with transaction.atomic():
                country.delete()
        assert self.told == [[("fr", "create")], [("fr", "delete")]]

    def test_callbacks_that_are_kept_tell_nothing_later(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            Country.objects.create(code="fr")
        self.kept.append(callbacks)
        with self.capture():
            Country.objects.create(code="it")
        assert self.told == [[("it", "create")]]

    def test_callbacks_may_be_called_by_hand(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            Country.objects.create(code="fr")
        for callback in [*callbacks, *callbacks]:
            callback()
        assert self.told == [[("fr", "create")]]
