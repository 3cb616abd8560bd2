"""Fixtures of the tests of `sockets`."""

import pytest
from django.contrib.auth.models import User


@pytest.fixture
def ada(transactional_db) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def bob(transactional_db) -> User:
    return User.objects.create_user("bob")
