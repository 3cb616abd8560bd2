"""What a change costs: the queries that write a ticket, and those with which it is told.

Each connection to the database counts, for whoever wants to know. Counted are the queries from the
first signal of a save or deletion to its last, and in each server process those that read the row
and ask each subscriber's permissions. Not counted is what came before: who asks for the change, and
whether he may.
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

measured = Signal()  # with `about`, a dict

_count = ContextVar("demo_board_count", default=None)  # a list of one number


@receiver(connection_created)
def wrap(connection, **kwargs):
    if count not in connection.execute_wrappers:
        connection.execute_wrappers.append(count)


def count(execute, sql, params, many, context):
    if (counted := _count.get()) is not None:
        counted[0] += 1
    return execute(sql, params, many, context)


@contextmanager
def counting():
    """The block whose queries are counted, in threads that it waits for as well."""
    token = _count.set(counted := [0])
    try:
        yield counted
    finally:
        _count.reset(token)


# The save, in whatever process


@receiver([pre_save, pre_delete], sender=Ticket)
def begin(instance, **kwargs):
    instance.counted = [0]
    _count.set(instance.counted)


@receiver([post_save, post_delete], sender=Ticket)
def end(instance, signal, **kwargs):
    _count.set(None)
    what = {"created": kwargs.get("created", False), "deleted": signal is post_delete}
    about = {"event": "saved", "pk": instance.pk, "title": instance.title, **what}
    measured.send(Ticket, about={**about, "queries": instance.counted[0]})


# The delivery, in each process that has subscribers


class Cost:
    """What one change costs this process."""

    def __init__(self, pk):
        self.about = {"event": "told", "delivery": uuid4().hex, "pk": pk}
        self.about |= {"server": settings.SERVER, "read": 0, "asked": 0, "told": 0, "refused": 0}
        self.task = None

    def add(self, **numbers):
        for name, number in numbers.items():
            self.about[name] += number

    def tell(self):
        """Soon: what comes within a moment is told together."""
        if self.task is None:
            self.task = asyncio.create_task(self._tell())

    async def _tell(self):
        await asyncio.sleep(0.03)
        self.task = None
        await measured.asend(Ticket, about=self.about)


class MeteredObserver(ModelObserver):
    """Tells what any `model_observer` does, and counts."""

    def cost(self, row):
        return vars(row).setdefault("cost", Cost(row.pk))

    def shared(self, kind, delivery, locales):
        with counting() as counted:
            bodies = super().shared(kind, delivery, locales)
        self.cost(delivery.row).add(read=counted[0])
        return bodies

    async def permit(self, consumer, action, row=None):
        cost = self.cost(row)
        try:
            with counting() as counted:
                await super().permit(consumer, action, row)
        except APIException:
            cost.add(refused=1)
            cost.tell()
            raise
        finally:
            cost.add(asked=counted[0])

    async def reply(self, consumer, delivery, body, asked):
        await super().reply(consumer, delivery, body, asked)
        cost = self.cost(delivery.row)
        cost.add(told=len(asked))
        cost.tell()
