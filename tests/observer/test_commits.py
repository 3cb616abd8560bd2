"""When a change counts as committed: commit hooks of the project, and tests that never commit."""

import contextlib

import pytest
from django.db import transaction
from django.test import TestCase

from rest_channels.observer.capture import changes

from .conftest import FakeObserver
from .models import Country


@pytest.fixture
def countries(transactional_db, observe):
    return observe(Country)


def test_a_commit_hook_of_the_project_that_fails_hides_no_change(published, countries) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 / 0)
        Country.objects.create(code="de")
    assert published == [[("de", "all", "create")]]
    Country.objects.create(code="fr")
    assert published[1:] == [[("fr", "all", "create")]]


def test_a_row_that_a_commit_hook_writes_is_published_separately(published, countries) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: Country.objects.all().delete())
        Country.objects.create(code="de")
    assert published == [[("de", "all", "create")], [("de", "all", "delete")]]


def test_commit_hooks_of_the_project_run_once_and_in_order(published, countries) -> None:
    ran = []
    with transaction.atomic():
        transaction.on_commit(lambda: ran.append(1))
        Country.objects.create(code="de")
        transaction.on_commit(lambda: Country.objects.update(name="a") and ran.append(2))
    assert (ran, len(published)) == ([1, 2], 1)


def test_a_listener_that_fails_does_not_stop_the_other_listeners(
    published, countries, caplog
) -> None:
    changes.listeners.insert(0, None)
    try:
        Country.objects.create(code="de")
    finally:
        changes.listeners.remove(None)
    assert (published, "failed to publish" in caplog.text) == ([[("de", "all", "create")]], True)


def test_changes_without_autocommit_are_published_when_it_is_on_again(published, countries) -> None:
    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            Country.objects.create(code="de")
        transaction.commit()
        assert published == []
    finally:
        transaction.set_autocommit(True)
    assert published == [[("de", "all", "create")]]


class InATestCase(TestCase):
    """Tests in Django's `TestCase`, which rolls everything back."""

    callback_lists = []

    @classmethod
    def setUpClass(cls):
        cls.observer = FakeObserver(Country)
        cls.addClassCleanup(delattr, cls, "observer")
        cls.addClassCleanup(cls.callback_lists.clear)
        super().setUpClass()

    @classmethod
    def setUpTestData(cls):
        cls.country = Country.objects.create(code="de")

    def setUp(self):
        self.published = []
        changes.listeners.append(self.listen)
        self.addCleanup(changes.listeners.remove, self.listen)

    def listen(self, committed):
        notifications = [
            (change.pk, str(action))
            for change in committed
            for observer, _group, action in change.notifications()
            if observer is self.observer
        ]
        self.published += [notifications] if notifications else []

    def capture(self):
        return self.captureOnCommitCallbacks(execute=True)

    def test_rows_of_set_up_test_data_are_not_published_in_each_test(self) -> None:
        with self.capture():
            self.country.save()
        assert self.published == [[("de", "update")]]

    def test_each_statement_publishes_like_a_transaction(self) -> None:
        with self.capture():
            self.country.save()
            self.country.delete()
        assert self.published == [[("de", "update")], [("de", "delete")]]

    def test_an_atomic_block_of_the_project_publishes_like_one_transaction(self) -> None:
        with self.capture():
            with transaction.atomic():
                country = Country.objects.create(code="fr")
                with contextlib.suppress(ValueError), transaction.atomic():
                    Country.objects.create(code="it")
                    raise ValueError
                country.save()
            with transaction.atomic():
                country.delete()
        assert self.published == [[("fr", "create")], [("fr", "delete")]]

    def test_captured_callbacks_that_are_kept_publish_nothing_later(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            Country.objects.create(code="fr")
        self.callback_lists.append(callbacks)
        with self.capture():
            Country.objects.create(code="it")
        assert self.published == [[("it", "create")]]

    def test_captured_callbacks_publish_once_when_they_are_called(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            Country.objects.create(code="fr")
        for callback in [*callbacks, *callbacks]:
            callback()
        assert self.published == [[("fr", "create")]]
