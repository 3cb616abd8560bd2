"""A shopping list that all visitors share."""

from django.db import models


class Item(models.Model):
    text = models.CharField(max_length=40)
    done = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return self.text
