"""Count the queries of a change: those that save a ticket, and those that update the lists.

Counted are:

- the queries from the first to the last signal of a save or deletion,
- in each server process, one query for each different list that the ticket was in or may be in now,
  or one for many of them; and one that reads the ticket for all lists, unless a list returns it,
- in each server process, the queries that check the permissions of each subscriber whose list
  differs.

Not counted are the queries before the save, which find the ticket and check the permissions of the
user who changes it.
"""

import time
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.db.backends.signals import connection_created
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal, receiver

from rest_channels.live import schedule
from rest_channels.live.row_index import RowIndex
from rest_channels.observer.action_viewers import GenericViewer

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


def measurement(event, **values):
    """Return what is sent. The time tells which change it belongs to: the one before."""
    return {"event": event, "time": time.time(), "server": settings.SERVER} | values


# Count the save, in the process that saves.


@receiver([pre_save, pre_delete], sender=Ticket)
def begin_save(instance, **kwargs):
    instance.query_count, instance.saving_since = [0], time.time()
    _count.set(instance.query_count)


@receiver([post_save, post_delete], sender=Ticket)
def end_save(instance, signal, **kwargs):
    _count.set(None)
    change = {"created": kwargs.get("created", False), "deleted": signal is post_delete}
    ticket = {"title": instance.title}
    queries = {"save_queries": instance.query_count[0]}
    # Without a transaction, the lists of another process may be read before this receiver runs.
    since = {"time": instance.saving_since}
    measured.send(Ticket, measurement=measurement("saved", **ticket, **change, **queries, **since))


# Count what live lists read, in each process that has subscribers.
# This replaces internal methods of the library.

read_row, read_lists, permit = RowIndex.read, schedule.read_all, GenericViewer.permit


def read_row_and_count(index, *args):
    with counting() as count:
        rows = read_row(index, *args)
    if index._model is Ticket:
        measured.send(Ticket, measurement=measurement("read", queries=count[0]))
    return rows


def read_lists_and_count(readings):
    with counting() as count:
        read_lists(readings)
    # Not for new subscribers only.
    if any(each.query.model is Ticket and each.noted for each in readings):
        measured.send(Ticket, measurement=measurement("read", queries=count[0]))


async def permit_and_count(viewer):
    with counting() as count:
        permitted = await permit(viewer)
    told = measurement("told", queries=count[0], permitted=permitted)
    await measured.asend(Ticket, measurement=told)
    return permitted


RowIndex.read = read_row_and_count
schedule.read_all = read_lists_and_count
GenericViewer.permit = permit_and_count
