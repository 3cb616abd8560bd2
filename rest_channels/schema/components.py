"""The schemas of serializers and types in one document. drf-spectacular maps the serializers."""

from collections.abc import Iterable
from typing import Any, Literal

from drf_spectacular.drainage import has_override
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent, build_mock_request
from drf_spectacular.settings import patched_settings
from rest_framework.fields import MultipleChoiceField
from rest_framework.serializers import ListSerializer
from rest_framework.views import APIView

from ..declarations.hints import LiveRows, hint_error
from ..introspection.descriptions import LiveDiff, docstring_of, hint_name
from ..introspection.hints import types_of
from .cleaning import clean
from .live_lists import diff_schema, rows_schema
from .types import Schema, fields_of_type, map_type

__all__ = ["Components", "Direction"]

Direction = Literal["request", "response"]

SETTINGS = {
    "COMPONENT_SPLIT_PATCH": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "OAS_VERSION": "3.1.0",  # whose schemas are JSON Schema
}


class Components:
    """Maps hints to schemas. Serializers and types with fields become named components."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        """The hints whose schema cannot be found, with the reason."""
        self._mapper = SerializerMapper(self)
        self._names: dict[str, Any] = {}

    def schema_of(self, hint: Any, direction: Direction, *, partial: bool = False) -> Schema:
        """Return the schema of a serializer or a type, which may refer to components.

        Args:
            hint: What a project gave. `None`, text, or anything else that is no hint: any value.
            direction: Whether clients send it (`"request"`), or the server.
            partial: Whether the fields of a serializer may be left out.
        """
        if isinstance(hint, LiveDiff | LiveRows):
            schema = rows_schema if isinstance(hint, LiveRows) else diff_schema
            return schema(self.schema_of(hint.serializer_class, direction))
        if hint is None or hint_error(hint):
            return {}
        if hasattr(hint, "is_valid"):
            return self._serializer(hint, direction, partial=partial)
        fields = fields_of_type(hint, is_request=direction == "request")
        if fields is None:
            return map_type(hint, lambda inner: self.schema_of(inner, direction))
        return self._type(hint, direction, fields)

    def build(self) -> dict[str, Schema]:
        """Return all components, by name."""
        found: dict[str, Schema] = self._mapper.registry.build({}).get("schemas", {})
        return {name: clean(schema) for name, schema in found.items()}

    def unique_name(self, name: str, owner: Any) -> str:
        """Return `name`, or one with the app of the class `owner` if another class has it."""
        if self._names.setdefault(name, owner) is owner:
            return name
        modules = [part for part in owner.__module__.split(".") if part != "serializers"]
        longer: str = modules[-1].title().replace("_", "") + name
        while self._names.setdefault(longer, owner) is not owner:
            longer += "_"
        return longer

    def _serializer(self, hint: Any, direction: Direction, *, partial: bool) -> Schema:
        try:
            with patched_settings(SETTINGS):
                serializer = hint(partial=partial) if isinstance(hint, type) else hint
                if isinstance(serializer, ListSerializer):
                    items = self._mapper.reference(serializer.child, direction)
                    return {"type": "array", "items": items}
                return self._mapper.reference(serializer, direction)
        except Exception as error:  # noqa: BLE001 - the project's code may need a real request
            self.unknown.append(f"{hint_name(hint)}: {type(error).__name__}: {error}")
            return {}

    def _type(self, hint: Any, direction: Direction, fields: Any) -> Schema:
        name = self.unique_name(hint.__name__, hint) + "Request" * (direction == "request")
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema={}, object=hint)
        if component not in self._mapper.registry:
            self._mapper.registry.register(component)  # before its fields, which may refer to it
            component.schema = self._object(hint, direction, fields)
        reference: Schema = component.ref
        return reference

    def _object(self, hint: Any, direction: Direction, fields: Any) -> Schema:
        if issubclass(hint, tuple):
            items = [self.schema_of(kind, direction) for kind, _required in fields.values()]
            count = len(items)
            return {"type": "array", "items": items, "minItems": count, "maxItems": count}
        description = docstring_of(hint)
        is_written = description and not description.startswith(f"{hint.__name__}(")
        properties = {name: self.schema_of(kind, direction) for name, (kind, _) in fields.items()}
        required = sorted(name for name, (_kind, needed) in fields.items() if needed)
        return {
            "type": "object",
            **({"description": description} if is_written else {}),
            "properties": properties,
            **({"required": required} if required else {}),
        }


class SerializerMapper(AutoSchema):
    """drf-spectacular's mapping, without a view. It takes unknown values for any value."""

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.components = components
        self.registry = ComponentRegistry()
        self.view = view = APIView()
        self.method, self.path, self.path_regex, self.path_prefix = "POST", "/", "/", ""
        view.request = build_mock_request("POST", "/", view, None)
        view.args, view.kwargs, view.format_kwarg = (), {}, None

    def reference(self, serializer: Any, direction: Direction) -> Schema:
        """Return the schema of a serializer, which refers to its component if it has fields."""
        component = self.resolve_serializer(serializer, direction)
        return component.ref if component else {"type": "object"}

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        cls = type(serializer)
        return self.components.unique_name(cls.__name__.removesuffix("Serializer") or "Data", cls)

    def _map_response_type_hint(self, method: Any) -> Any:
        if has_override(method, "field"):
            untyped: Any = super()
            return untyped._map_response_type_hint(method)
        return self.components.schema_of(types_of(method).get("return"), "response")

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> Any:
        untyped: Any = super()
        meta = untyped._get_serializer_field_meta(field, direction)
        is_set = isinstance(field, MultipleChoiceField) or isinstance(
            getattr(field, "default", None), set | frozenset
        )
        if is_set and isinstance(meta.get("default"), Iterable):
            meta["default"] = sorted(meta["default"], key=str)  # sets have no order
        return meta
