"""Serializers whose fields are looked up once are independent of those made before."""

from contextvars import ContextVar
from datetime import date

from django.contrib.auth.models import User
from django.db import models
from django.test.utils import isolate_apps
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from rest_channels.serializer_fields import keep_fields

tenant = ContextVar("tenant", default="")


class OfTenant(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(tenant=tenant.get())


def test_a_validator_that_one_serializer_changes_is_unchanged_in_the_next() -> None:
    class Named(serializers.ModelSerializer):
        class Meta:
            model = User
            fields = ["username"]

    def unique():
        validators = keep_fields(Named()).fields["username"].validators
        return next(each for each in validators if isinstance(each, UniqueValidator))

    unique()  # looks the fields up
    changed = unique()
    changed.queryset, changed.message = User.objects.none(), "Taken by another team."
    assert (unique().queryset, str(unique().message)) == (
        User._default_manager,
        "A user with that username already exists.",
    )


@isolate_apps("tests")
def test_a_constraint_with_a_condition_is_checked_among_the_rows_of_each_tenant() -> None:
    class Room(models.Model):
        tenant = models.CharField(max_length=9)
        name = models.CharField(max_length=9)
        objects = OfTenant()

        class Meta:
            app_label = "tests"
            constraints = [
                models.UniqueConstraint(
                    fields=["name"], condition=models.Q(name__gt=""), name="one_name"
                )
            ]

    class Rooms(serializers.ModelSerializer):
        class Meta:
            model = Room
            fields = ["name"]

    for name in ("acme", "globex"):
        tenant.set(name)
        (unique,) = (
            each
            for each in keep_fields(Rooms()).fields["name"].validators
            if isinstance(each, UniqueValidator)
        )
        assert f"= {name}" in str(unique.queryset.query)


@isolate_apps("tests")
def test_a_hidden_field_of_drf_is_not_the_declared_one_that_a_class_leaves_out() -> None:
    class Post(models.Model):
        title = models.CharField(max_length=9, unique_for_date="day")
        day = models.DateField(default=date.today)

        class Meta:
            app_label = "tests"

    class Dated(serializers.ModelSerializer):
        day = serializers.HiddenField(default=date.max)

        class Meta:
            model = Post
            fields = ["title", "day"]

    class Titled(Dated):
        class Meta(Dated.Meta):
            fields = ["title"]

    assert Titled().fields["day"].default == date.today
    for _serializer in range(2):
        assert keep_fields(Titled()).fields["day"].default == date.today
