"""What the tests of `sockets` share."""

import pytest
from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper


@pytest.fixture
def ada(transactional_db) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def bob(transactional_db) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def queries(monkeypatch) -> list[str]:
    """What is asked of the database from now on, in whatever thread."""
    asked: list[str] = []

    def execute(self, sql, *args):
        if sql.lstrip("(").split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            asked.append(sql)
        return original(self, sql, *args)

    original = CursorWrapper.execute
    monkeypatch.setattr(CursorWrapper, "execute", execute)
    return asked
