"""The rows of the benchmarks' own app. All other benchmarks use those of Django's apps."""

from django.db import models


class Note(models.Model):
    """A row of a live list. Writes of `contenttypes`, which other cases use, are not told."""

    room = models.IntegerField(db_index=True)
    text = models.CharField(max_length=100)
