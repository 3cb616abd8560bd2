"""Serializers whose fields are looked up once have the fields that DRF would give them."""

import gc
import weakref
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps
from django.utils import timezone, translation
from rest_framework import serializers
from rest_framework.utils import model_meta

from rest_channels import serializer_fields
from rest_channels.consumers import ModelConsumer
from rest_channels.serializer_fields import METHODS, keep_fields
from rest_channels.testing import SocketCommunicator


def made(model: Any, base: Any = serializers.ModelSerializer, /, **options: Any) -> Any:
    """Return a new serializer class of `model`, with `options` of its `Meta`."""
    options = {"model": model, "fields": "__all__", **options}
    return type("Made", (base,), {"Meta": type("Meta", (), options)})


class Declared(serializers.ModelSerializer):
    full_name = serializers.CharField(source="get_full_name", read_only=True)
    hidden = serializers.HiddenField(default=timezone.now)
    groups = made(Group)(many=True, read_only=True)

    class Meta:
        model = User
        fields = ["full_name", "hidden", "groups", "username", "is_authenticated"]


SERIALIZERS = {
    "all fields, with relations": made(User),
    "unique together": made(Permission),
    "text with a style": made(Session),
    "excluded": made(User, fields=None, exclude=["groups", "password"]),
    "read-only": made(User, fields=["username", "email"], read_only_fields=["email"]),
    "extra": made(User, extra_kwargs={"email": {"label": "Mail", "allow_null": True}}),
    "a mutable default": made(Group, extra_kwargs={"permissions": {"default": []}}),
    "nested": made(Permission, depth=1),
    "declared": Declared,
    "hyperlinks": made(Group, serializers.HyperlinkedModelSerializer, fields=["name", "url"]),
}


def description(serializer: Any) -> list[Any]:
    """Return all that is known about the fields of a serializer."""
    return [
        (
            name,
            type(field).__name__,
            field.label,
            field.source,
            sorted(field.error_messages),
            repr(field),
        )
        for name, field in serializer.fields.items()
    ]


@pytest.mark.parametrize("name", SERIALIZERS)
def test_all_serializers_of_a_class_have_the_fields_of_drf_in_each_language(name) -> None:
    for language in ("en", "de", "en", "de"):
        with translation.override(language):
            kept = keep_fields(SERIALIZERS[name]())
            assert description(kept) == description(SERIALIZERS[name]())
            assert repr(kept.validators) == repr(SERIALIZERS[name]().validators)
            assert kept.url_field_name == "url"


def test_labels_and_messages_are_in_the_language_of_their_serializer() -> None:
    found = set()
    for language in ("en", "de", "en"):
        with translation.override(language):
            field = keep_fields(made(User)()).fields["username"]
            found.add((str(field.label), str(field.validators[-1].message)))
    assert len(found) == 2


@pytest.mark.parametrize("many", [False, True])
def test_serializers_share_nothing_that_one_of_them_may_change(many) -> None:
    names = ("label", "source", "error_messages", "style", "validators", "parent")
    texts = made(Session)
    first, second, third = (keep_fields(texts(many=many)) for _ in range(3))
    for other in (first, second):  # the first is DRF's own
        fields = (other.child if many else other).fields
        for name, field in (third.child if many else third).fields.items():
            assert field is not fields[name]
            for attribute in names:
                value = getattr(field, attribute)
                assert isinstance(value, str) or value is not getattr(fields[name], attribute)


@pytest.mark.parametrize("name", sorted(METHODS - {"fields"}))
def test_a_class_that_takes_part_in_the_choice_of_fields_is_asked_each_time(name) -> None:
    def override(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        return getattr(serializers.ModelSerializer, name)(self, *args, **kwargs)

    calls: list[Any] = []
    kind = type("Overriding", (made(Permission),), {name: override})
    counts = []
    for _ in range(3):
        calls.clear()
        assert keep_fields(kind()).fields.keys() == made(Permission)().fields.keys()
        counts.append(len(calls))
    assert counts[0] == counts[1] == counts[2]


def test_fields_that_an_init_removes_are_missing_in_its_serializer_only() -> None:
    class Dynamic(made(Group)):
        def __init__(self, *args, without=(), **kwargs):
            super().__init__(*args, **kwargs)
            for name in without:
                del self.fields[name]

    keep_fields(Dynamic())
    assert keep_fields(Dynamic(without=["name"])).fields.keys() == {"id", "permissions"}
    assert keep_fields(Dynamic()).fields.keys() == {"id", "name", "permissions"}


def test_an_instance_with_a_get_fields_of_its_own_keeps_it() -> None:
    serializer = made(Group)()
    serializer.get_fields = lambda: {"own": serializers.CharField()}
    assert keep_fields(serializer).fields.keys() == {"own"}


@isolate_apps("tests.observer")
def test_choices_and_limits_that_are_functions_are_called_for_each_serializer() -> None:
    class Dynamic(models.Model):
        kind = models.CharField(max_length=9, choices=lambda: [(len(calls), "called")])
        group = models.ForeignKey(Group, models.CASCADE, limit_choices_to=lambda: limit)

        class Meta:
            app_label = "observer"

    calls: list[int] = []
    limit: dict[str, str] = {}
    kinds = [made(Dynamic, fields=["kind"]), made(Dynamic, fields=["group"])]
    for name in ("", "a", "b"):
        calls.append(1)
        limit |= {"name": name} if name else {}
        kind, group = (next(iter(keep_fields(each()).fields.values())) for each in kinds)
        assert kind.choices.keys() == {len(calls)}
        assert (f"= {name}" in str(group.get_queryset().query)) is bool(name)


def test_a_meta_that_is_changed_has_an_effect() -> None:
    kind = made(Group, fields=["id", "name"], extra_kwargs={"name": {"label": "A"}})
    keep_fields(kind()).fields.keys()
    kind.Meta.fields.remove("id")
    assert keep_fields(kind()).fields.keys() == {"name"}
    kind.Meta.extra_kwargs["name"]["label"] = "B"
    assert keep_fields(kind()).fields["name"].label == "B"
    kind.Meta = made(User, fields=["email"]).Meta
    assert keep_fields(kind()).fields.keys() == {"email"}


def test_a_mapping_of_fields_that_is_changed_has_an_effect(monkeypatch) -> None:
    class Own(serializers.CharField):
        pass

    kind = made(Group)
    assert type(keep_fields(kind()).fields["name"]) is serializers.CharField
    monkeypatch.setitem(kind.serializer_field_mapping, models.CharField, Own)
    assert type(keep_fields(kind()).fields["name"]) is Own


def test_a_method_that_a_test_replaces_is_called(monkeypatch) -> None:
    kind = made(Group)
    keep_fields(kind()).fields.keys()
    monkeypatch.setattr(kind, "get_fields", lambda self: {"own": serializers.CharField()})
    assert keep_fields(kind()).fields.keys() == {"own"}


def test_settings_that_change_are_followed() -> None:
    kind = made(Group)
    keep_fields(kind()).fields.keys()
    with override_settings(REST_FRAMEWORK={"URL_FIELD_NAME": "link"}):
        assert not serializer_fields._lookups
        for _ in range(2):
            serializer = keep_fields(kind())
            assert serializer.fields.keys() == {"id", "name", "permissions"}
            assert serializer.url_field_name == "link"


def test_a_class_without_fields_fails_when_it_needs_them_and_not_before() -> None:
    kind = made(Group, fields=None)
    kind.to_representation = lambda self, row: {"name": row.name}
    serializer = keep_fields(kind(Group(name="x")))
    assert serializer.data == {"name": "x"}
    with pytest.raises(AssertionError, match="without either the 'fields' attribute"):
        serializer.fields.keys()


def test_what_is_kept_ends_with_the_class() -> None:
    kind = made(Group)
    for _ in range(2):
        keep_fields(kind()).fields.keys()
    reference = weakref.ref(kind)
    del kind
    gc.collect()
    assert reference() is None


@pytest.mark.django_db(transaction=True)
async def test_the_actions_of_a_model_look_its_fields_up_once(monkeypatch) -> None:
    class Groups(ModelConsumer):
        queryset = Group.objects.order_by("pk")
        serializer_class = made(Group)
        permission_classes = []

    def count(model: Any) -> Any:
        lookups.append(model)
        return get_field_info(model)

    lookups: list[Any] = []
    get_field_info = model_meta.get_field_info
    async with SocketCommunicator(Groups.as_asgi()) as socket:
        data = {"name": "first", "permissions": []}
        await socket.send_json({"action": "create", "request_id": 1, "data": data})
        created = await socket.receive_json()
        monkeypatch.setattr(model_meta, "get_field_info", count)
        for action in ("retrieve", "list"):
            pk = created["data"]["id"]
            await socket.send_json({"action": action, "request_id": 2, "pk": pk})
            assert "first" in str((await socket.receive_json())["data"])
    assert not lookups
