"""The rows of the benchmarks' own app. All other benchmarks use those of Django's apps."""

from typing import Any

from django.contrib.auth.models import User
from django.db import models


class Note(models.Model):
    """A row of a live list. Writes of `contenttypes`, which other cases use, are not told."""

    room = models.IntegerField(db_index=True)
    text = models.CharField(max_length=100)
    readers: "models.ManyToManyField[User, Any]" = models.ManyToManyField(User)
