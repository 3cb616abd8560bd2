"""Models of the tests of live queries."""

from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models


class Shelf(models.Model):
    """A row that others refer to."""

    name = models.CharField(max_length=20)
    rank = models.IntegerField(null=True)


class UpperCaseField(models.CharField):
    """A field that converts its values."""

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else str(value).upper()


class Item(models.Model):
    """A row with a column of each kind, most of which may be NULL."""

    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True, related_name="items")
    twin = models.ForeignKey("self", models.SET_NULL, null=True, related_name="twins")
    tags = models.ManyToManyField(Shelf, related_name="tagged")
    number = models.IntegerField(null=True)
    size = models.PositiveSmallIntegerField(default=0)
    done = models.BooleanField(null=True)
    name = models.CharField(max_length=20, null=True)
    text = models.TextField(default="")
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    weight = models.FloatField(null=True)
    day = models.DateField(null=True)
    at = models.DateTimeField(null=True)
    code = models.UUIDField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(null=True)
    wait = models.DurationField(null=True)
    loud = UpperCaseField(max_length=20, null=True)

    class Meta:
        required_db_features = {"supports_json_field"}  # else the system checks make a query


class SpecialItem(Item):
    """A row in two tables."""

    extra = models.IntegerField(null=True)


class ItemProxy(Item):
    """A proxy of `Item`."""

    class Meta:
        proxy = True
        ordering = ("shelf__name",)


class ItemView(models.Model):
    """A table that Django does not create, such as a view."""

    number = models.IntegerField()

    class Meta:
        managed = False


class LivingManager(models.Manager[Any]):
    """A manager that hides rows."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(is_deleted=False)


class Removable(models.Model):
    """A row that is only marked as deleted, also for Django's own queries."""

    name = models.CharField(max_length=20)
    is_deleted = models.BooleanField(default=False)

    objects = LivingManager()
    everything = models.Manager["Removable"]()

    class Meta:
        base_manager_name = "objects"


class Remark(models.Model):
    """A row about a row of any model."""

    text = models.CharField(max_length=20)
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE, db_constraint=False)
    number = models.PositiveIntegerField()
    about = GenericForeignKey("kind", "number")


class Coded(Shelf):
    """A child with a primary key of its own, which is not that of its parent."""

    shelf = models.OneToOneField(Shelf, models.CASCADE, parent_link=True)
    code = models.CharField(primary_key=True, max_length=5)


class CodedChild(Coded):
    """A child of it."""


class Shout(models.Model):
    """A row whose key is stored in another form than it is written."""

    id = UpperCaseField(primary_key=True, max_length=20)


class Numbered(models.Model):
    """A row whose key is given, so that a large one does not change the keys of later rows."""

    number = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=20)
