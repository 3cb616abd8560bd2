"""Serializers whose fields are looked up once follow a project that changes what they come from."""

import gc

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import MinLengthValidator
from django.db import models
from django.test.utils import isolate_apps
from rest_framework import serializers

from rest_channels import serializer_fields
from rest_channels.serializer_fields import keep_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def room_model():
    with isolate_apps("tests"):

        class Room(models.Model):
            kind = models.CharField(max_length=9, choices=[("a", "A")])
            name = models.CharField(max_length=9, validators=[MinLengthValidator(1)])
            owner = models.ForeignKey(User, models.CASCADE)

            class Meta:
                app_label = "tests"

        yield Room


def fields_of(kind):
    kept, plain = keep_fields(kind()).fields, kind().fields
    assert repr(kept) == repr(plain)
    return kept


def serializer_of(model, names="__all__"):
    meta = type("Meta", (), {"model": model, "fields": names})
    return type("Kept", (serializers.ModelSerializer,), {"Meta": meta})


def test_choices_that_a_project_assigns_to_a_field_of_a_model_are_those_of_later_serializers(
    room_model,
) -> None:
    kind = serializer_of(room_model)
    assert fields_of(kind)["kind"].choices == {"a": "A"}
    for choices in ({"a": "A", "b": "B"}, {"c": "C"}):
        room_model._meta.get_field("kind").choices = list(choices.items())
        assert fields_of(kind)["kind"].choices == choices


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("name", "max_length", 3),
        ("name", "blank", True),
        ("name", "default", "Lobby"),
        ("name", "verbose_name", "title of the room"),
        ("name", "null", True),
        ("owner", "editable", False),
    ],
)
def test_an_attribute_of_a_models_field_that_changes_has_an_effect(
    room_model, name, attribute, value
) -> None:
    kind = serializer_of(room_model)
    fields_of(kind)
    before = repr(fields_of(kind)[name])
    setattr(room_model._meta.get_field(name), attribute, value)
    assert repr(fields_of(kind)[name]) != before


def test_a_validator_that_is_added_to_a_models_field_has_an_effect(room_model) -> None:
    kind = serializer_of(room_model)
    assert fields_of(kind)["name"].min_length == 1
    room_model._meta.get_field("name").validators.insert(0, MinLengthValidator(5))
    assert fields_of(kind)["name"].min_length == 5


def test_rows_that_a_relation_is_limited_to_later_are_the_only_ones(room_model) -> None:
    kind = serializer_of(room_model)
    fields_of(kind)
    room_model._meta.get_field("owner").remote_field.limit_choices_to = {"is_active": True}
    assert "is_active" in str(fields_of(kind)["owner"].queryset.query)


def test_a_field_that_is_added_to_a_model_is_a_field_of_later_serializers(room_model) -> None:
    kind = serializer_of(room_model)
    assert "size" not in fields_of(kind)
    room_model.add_to_class("size", models.IntegerField(null=True))
    assert "size" in fields_of(kind)


def test_a_class_that_names_its_url_otherwise_has_no_field_of_the_old_name() -> None:
    kind = serializer_of(User, ["username", "url"])
    assert "url" in fields_of(kind)
    kind.url_field_name = "link"
    with pytest.raises(ImproperlyConfigured, match="`url` is not valid"):
        keep_fields(kind()).fields.keys()


def test_classes_that_refer_to_themselves_are_not_all_kept_for_ever(monkeypatch) -> None:
    def new():
        class Checked(serializers.ModelSerializer):
            note = serializers.CharField(validators=[lambda value: Checked])

            class Meta:
                model = Permission
                fields = ["note"]

        return Checked

    monkeypatch.setattr(serializer_fields, "MAX_CLASSES", 20)
    for _class in range(50):
        keep_fields(new()()).fields.keys()
    gc.collect()
    assert len(serializer_fields._lookups) <= 20
