"""A user model in several tables, with UUIDs as keys."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class OwnSession(AbstractBaseSession):
    account = models.CharField(max_length=40, default="")

    class Meta(AbstractBaseSession.Meta):
        app_label = "identity_site"

    @classmethod
    def get_session_store_class(cls):
        from tests.field.identity_site.sessions import SessionStore

        return SessionStore


class Person(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    nickname = models.CharField(max_length=20, default="")


class Member(Person, AbstractBaseUser):
    username = models.CharField(max_length=20, unique=True)
    is_staff = models.BooleanField(default=False)

    objects = BaseUserManager()

    USERNAME_FIELD = "username"

    @property
    def is_active(self):
        return True


class Employee(Member):
    department = models.CharField(max_length=20, default="")


class MemberProxy(Member):
    class Meta:
        proxy = True


class Device(models.Model):
    """A model whose rows act as users, and that is no user model."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    is_authenticated = True
