"""Count the queries of a change: those that save a ticket and those that send it to subscribers.

Counted are:

- the queries from the first to the last signal of a save or deletion,
- in each server process, the queries that read the ticket,
- in each server process, the queries that check the permissions of each subscriber.

Not counted are the queries before the save, which find the ticket and check the permissions of the
user who changes it.
"""

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal, receiver
from rest_framework.exceptions import APIException

from rest_channels.observer import ModelObserver

from .models import Ticket

measured = Signal()  # sent with `measurement`, a dict

_count = ContextVar("ticket_board_query_count", default=None)  # a list with one number


@receiver(connection_created)
def add_wrapper(connection, **kwargs):
    if count_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(count_query)


def count_query(execute, sql, params, many, context):
    if (count := _count.get()) is not None:
        count[0] += 1
    return execute(sql, params, many, context)


@contextmanager
def counting():
    """Count the queries of the block, including those in threads that it awaits."""
    token = _count.set(count := [0])
    try:
        yield count
    finally:
        _count.reset(token)


# Count the save, in the process that saves.


@receiver([pre_save, pre_delete], sender=Ticket)
def begin_save(instance, **kwargs):
    instance.query_count = [0]
    _count.set(instance.query_count)


@receiver([post_save, post_delete], sender=Ticket)
def end_save(instance, signal, **kwargs):
    _count.set(None)
    change = {"created": kwargs.get("created", False), "deleted": signal is post_delete}
    ticket = {"pk": instance.pk, "title": instance.title}
    queries = {"save_queries": instance.query_count[0]}
    measured.send(Ticket, measurement={"event": "saved", **ticket, **change, **queries})


# Count the delivery, in each process that has subscribers.


class DeliveryCount:
    """The queries and messages that one change causes in this process."""

    def __init__(self, pk):
        counts = {"read_queries": 0, "permission_queries": 0, "sent": 0, "refused": 0}
        delivery = {"delivery": uuid4().hex, "pk": pk, "server": settings.SERVER}
        self.measurement = {"event": "delivered", **delivery, **counts}
        self.task = None

    def add(self, **numbers):
        for name, number in numbers.items():
            self.measurement[name] += number

    def publish(self):
        """Send the signal after 30 ms, once for all the subscribers counted until then."""
        if self.task is None:
            self.task = asyncio.create_task(self._publish())

    async def _publish(self):
        await asyncio.sleep(0.03)
        self.task = None
        await measured.asend(Ticket, measurement=self.measurement)


class CountingObserver(ModelObserver):
    """A `model_observer` that counts. It overrides internal methods of the library."""

    def count(self, row):
        return vars(row).setdefault("delivery_count", DeliveryCount(row.pk))

    def render_shared(self, consumer_class, delivery, locales):
        with counting() as counted:
            bodies = super().render_shared(consumer_class, delivery, locales)
        self.count(delivery.row).add(read_queries=counted[0])
        return bodies

    async def check_permissions(self, consumer, action, row=None, options=None):
        count = self.count(row)
        try:
            with counting() as counted:
                await super().check_permissions(consumer, action, row, options)
            count.add(sent=1)
        except APIException:
            count.add(refused=1)
            raise
        finally:
            count.add(permission_queries=counted[0])
            count.publish()
