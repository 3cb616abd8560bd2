"""What the site saves and deletes never fails because of open connections, or because of none."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Value

from rest_channels.engine.related_signals import _row_changed
from tests.observer.models import Comment, Profile

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def session():
    session = SessionStore()
    session["cart"] = 1
    session.save()
    return session


@pytest.fixture
def no_autocommit():
    """The transactions of a command that calls `set_autocommit(False)`."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


def test_rows_are_saved_and_deleted_without_autocommit(ada, session, no_autocommit) -> None:
    group = Group.objects.create(name="editors")
    ada.groups.add(group)
    group.save()
    Profile.objects.create(user=ada).save()
    session.save()
    session.delete()
    ada.save()
    ada.delete()
    transaction.commit()
    assert not User.objects.exists()


def test_a_backend_that_cannot_be_loaded_fails_no_save(ada, settings) -> None:
    """A worker has no library for LDAP, which only the web servers need."""
    settings.AUTHENTICATION_BACKENDS = ["missing.Backend"]
    Comment.objects.create(user=ada).save()
    Profile.objects.create(user=ada).delete()
    ada.save()


def test_a_foreign_key_that_is_an_expression_fails_no_save(ada) -> None:
    """Before Django 6 a row has the expression still after it was saved."""
    row, fields = Profile(user_id=Value(ada.pk)), [Profile._meta.get_field("user")]
    _row_changed(User, fields, row, "default")


def test_a_session_without_its_end_can_be_deleted(session) -> None:
    Session(session_key=session.session_key).delete()
    session.save(must_create=True)
    Session.objects.only("session_key").get().delete()
    session.save(must_create=True)
    Session.objects.only("session_key").delete()
    assert not Session.objects.exists()
