"""The fields of a `ModelSerializer`, looked up once for its class and each language.

DRF asks the model again for each serializer: which fields there are, and with which arguments they
are made. That takes several times as long as to serialize a row. Where the answer depends on the
class and the active language alone, it is kept. Everywhere else DRF is asked again.

What is kept are arguments. Each serializer gets new fields, which DRF's classes make from them.
"""

import copy
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter, itemgetter
from types import BuiltinFunctionType, FunctionType, NoneType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.core.signals import setting_changed
from django.db.models import Manager, QuerySet
from django.utils import translation
from django.utils.functional import Promise
from rest_framework.fields import Field
from rest_framework.serializers import BaseSerializer, ListSerializer, ModelSerializer
from rest_framework.settings import api_settings
from rest_framework.utils.model_meta import get_field_info
from rest_framework.validators import UniqueValidator

__all__ = ["keep_fields"]

LATER_METHODS = {"get_unique_together_validators", "get_unique_for_date_validators"}
LATER_METHODS |= {"create", "update", "get_validators"}

METHODS = frozenset(
    {name for name, value in vars(ModelSerializer).items() if isinstance(value, FunctionType)}
    - LATER_METHODS
    | {"fields"}
)
"""What chooses and makes fields. A class that replaces any of it is left to DRF."""

_methods_of = attrgetter(*METHODS)
DRF_METHODS = _methods_of(ModelSerializer)

ATTRIBUTES = [name for name in vars(ModelSerializer) if name.startswith("serializer_")]
ATTRIBUTES.append("url_field_name")
_attributes_of = attrgetter(*ATTRIBUTES)
OPTIONS = ["model", "depth", "fields", "exclude", "extra_kwargs", "read_only_fields", "validators"]
"""What fields depend on: attributes of a class, and of its `Meta`."""

IMMUTABLE = (bool, int, float, str, NoneType, Decimal, timedelta)
NEVER_COPIED = (*IMMUTABLE, Promise, type, FunctionType, BuiltinFunctionType)
"""What `copy.deepcopy`, with which DRF copies arguments, returns as it is."""

SHARED_BY_DRF = ("choices", "model_field")
"""Arguments that are objects of the model's field."""

MAX_CLASSES = 2_000
"""Classes whose lookups are kept. Some that a project makes for each request may never end."""


class _Blueprint(NamedTuple):
    """How a field is made."""

    field_class: Any
    kwargs: dict[str, Any]
    makers: dict[str, Callable[[], Any]]
    """What makes those arguments that each field gets anew."""

    def make(self) -> Any:
        made = {name: make() for name, make in self.makers.items()}
        return self.field_class(**self.kwargs, **made)


class _State(NamedTuple):
    """What some attributes of an object were."""

    attributes: dict[str, Any]
    """Its own, of which it may get more: Django keeps there what it has computed."""
    read: Callable[[dict[str, Any]], tuple[Any, ...]]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, owner: object) -> "_State":
        attributes = vars(owner)
        read = itemgetter(*attributes)
        return cls(attributes, read, _copied(read(attributes)))

    def is_unchanged(self) -> bool:
        try:
            return self.read(self.attributes) == self.values
        except KeyError:
            return False


class _Lookup(NamedTuple):
    """What DRF has looked up for a class in one language."""

    origin: tuple[Any, ...]
    """What `_origin` returned, to notice a project that changes it."""
    blueprints: dict[str, _Blueprint | None] | None
    """By name, in DRF's order; `None` for a field that the class declares. `None`: ask DRF."""
    states: list[_State]
    """What the fields of the model were that DRF has read."""

    def is_valid(self, origin: tuple[Any, ...]) -> bool:
        """Return whether DRF would find the same, now that `_origin` has returned `origin`."""
        return self.origin == origin and all(map(_State.is_unchanged, self.states))


_lookups: WeakKeyDictionary[type[Any], dict[str | None, _Lookup]] = WeakKeyDictionary()


def _forget(**kwargs: Any) -> None:
    _lookups.clear()


setting_changed.connect(_forget, dispatch_uid="rest_channels.serializer_fields")


def keep_fields(serializer: Any) -> Any:
    """Return `serializer`, of any class or `many=True`, which now finds its fields fast.

    It finds those that it would find anyway, and as late as it would: when it needs them.
    """
    inner: Any = serializer.child if isinstance(serializer, ListSerializer) else serializer
    if isinstance(inner, ModelSerializer) and _follows_drf(inner):
        vars(inner)["get_fields"] = partial(_get_fields, inner)
    return serializer


def _follows_drf(serializer: Any) -> bool:
    own = vars(serializer).keys() & METHODS
    return not own and _methods_of(type(serializer)) == DRF_METHODS


def _get_fields(serializer: Any) -> dict[str, Any]:
    """Return what the `get_fields` of its class returns."""
    kind, language, origin = type(serializer), translation.get_language(), _origin(serializer)
    lookup = _lookups.get(kind, {}).get(language)
    if lookup is None or not lookup.is_valid(origin):
        fields: dict[str, Any] = kind.get_fields(serializer)
        if len(_lookups) >= MAX_CLASSES and kind not in _lookups:
            _lookups.clear()
        states = _model_states(serializer.Meta.model, fields)
        lookup = _Lookup(_copied(origin), _blueprints(serializer, fields), states)
        _lookups.setdefault(kind, {})[language] = lookup
        return fields
    if lookup.blueprints is None:
        return kind.get_fields(serializer)  # type: ignore[no-any-return]
    if serializer.url_field_name is None:
        serializer.url_field_name = api_settings.URL_FIELD_NAME
    declared = serializer._declared_fields and copy.deepcopy(serializer._declared_fields)
    return {
        name: declared[name] if blueprint is None else blueprint.make()
        for name, blueprint in lookup.blueprints.items()
    }


def _origin(serializer: Any) -> tuple[Any, ...]:
    """Return what the fields are looked up from, and what a project may change meanwhile."""
    meta = getattr(serializer, "Meta", None)
    model_options = getattr(getattr(meta, "model", None), "_meta", None)
    return (
        serializer._declared_fields,
        model_options and model_options.get_fields(),
        *[getattr(meta, name, None) for name in OPTIONS],
        *_attributes_of(serializer),
    )


def _model_states(model: Any, fields: dict[str, Any]) -> list[_State]:
    """Return what the fields of `model` are from which `fields` were made, and their relations."""
    names = {*fields, *[field._kwargs.get("source") for field in fields.values()]}
    options = model._meta
    used = [each for each in options.get_fields() if each.name in names or each is options.pk]
    relations = [getattr(each, "remote_field", None) for each in used]
    return [_State.of(each) for each in (*used, *relations) if each is not None]


def _copied(value: Any) -> Any:
    """Return copies of containers, with the same objects in them."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value


def _blueprints(serializer: Any, fields: dict[str, Any]) -> dict[str, _Blueprint | None] | None:
    """Return how to make `fields` again, or `None` if they may differ the next time."""
    meta, declared = serializer.Meta, serializer._declared_fields
    extra = [*getattr(meta, "extra_kwargs", {}).values()]
    if getattr(meta, "depth", 0) or not _is_static(meta.model):
        return None
    if not all(isinstance(value, NEVER_COPIED) for kwargs in extra for value in kwargs.values()):
        return None
    chosen = serializer.get_field_names(declared, get_field_info(meta.model))
    found: dict[str, _Blueprint | None] = {}
    for name, field in fields.items():
        if name in declared and name in chosen and _is_like(field, declared[name]):
            found[name] = None
        elif name in declared or (blueprint := _blueprint(field)) is None:
            return None
        else:
            found[name] = blueprint
    return found


def _is_static(model: Any) -> bool:
    """Return whether no field of `model` calls a function for its choices."""
    return all(
        isinstance(getattr(field, "choices", None), list | tuple | NoneType)
        and not getattr(getattr(field, "remote_field", None), "limit_choices_to", None)
        for field in model._meta.get_fields()
    )


def _new_validators(validators: Sequence[Any]) -> list[Any]:
    """Return a new list, with validators of its own where DRF makes them for each serializer."""
    return [copy.copy(each) if type(each) is UniqueValidator else each for each in validators]


def _is_like(field: Any, declared: Any) -> bool:
    """Return whether `field` is a copy of `declared`, and no hidden field in its place."""
    return type(field) is type(declared) and field._kwargs.keys() == declared._kwargs.keys()


def _blueprint(field: Any) -> _Blueprint | None:
    """Return how to make a field that is like `field`, or `None` if it may share what changes."""
    if field._args or isinstance(field, BaseSerializer):
        return None
    kwargs: dict[str, Any] = {}
    makers: dict[str, Callable[[], Any]] = {}
    for name, value in field._kwargs.items():
        if name == "validators":
            if any(isinstance(getattr(each, "queryset", None), QuerySet) for each in value):
                return None  # a manager may have chosen rows for one tenant or user
            makers[name] = partial(_new_validators, value)
        elif name == "style":
            makers[name] = partial(dict, value)
        elif isinstance(value, Field):  # the relation of each of many objects
            if (child := _blueprint(value)) is None:
                return None
            makers[name] = child.make
        elif name in SHARED_BY_DRF or isinstance(value, (*NEVER_COPIED, Manager)):
            kwargs[name] = value
        else:
            return None
    return _Blueprint(type(field), kwargs, makers)
