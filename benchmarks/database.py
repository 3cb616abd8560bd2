"""The database of all peers, and an SQLite query that sleeps without holding the GIL."""

import time
from contextvars import copy_context
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.backends.signals import connection_created
from django.db.models import FloatField, Func, QuerySet, Value
from rest_framework.serializers import ModelSerializer


class ContentTypeSerializer(ModelSerializer[ContentType]):
    """The serializer that all peers use."""

    class Meta:
        model = ContentType
        fields = ("id", "app_label", "model")


def retrieve(pk: int) -> Any:
    """Return a row as serialized data."""
    return ContentTypeSerializer(ContentType.objects.get(pk=pk)).data


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _add_function(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("benchmarks_sleep", 1, _sleep)


def prepare() -> None:
    """Create tables, and the SQL function in every connection. Call it outside an event loop."""
    connection_created.connect(_add_function)
    if ContentType._meta.db_table not in connection.introspection.table_names():
        # In a context of its own: it makes a language active, which no server has at its start.
        copy_context().run(call_command, "migrate", run_syncdb=True, verbosity=0)
    connection.close()


def _rows(seconds: float) -> QuerySet[ContentType, Any]:
    slept: Func = Func(Value(seconds), function="benchmarks_sleep", output_field=FloatField())
    return ContentType.objects.annotate(slept=slept).values_list("slept", flat=True)


def slow_query(seconds: float) -> Any:
    """Run a query that takes `seconds`."""
    return _rows(seconds).first()


async def aslow_query(seconds: float) -> Any:
    """Run the same query through the async ORM."""
    return await _rows(seconds).afirst()
