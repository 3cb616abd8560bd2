"""Bulk operations while another transaction writes: every written row is published."""

import threading

import pytest
from django.db import OperationalError, connections, transaction
from django.db.models.signals import m2m_changed, pre_delete

from tests.observer.models import Comment, Note, Tag, Ticket


def in_other_transaction(work, using):
    """Call `work` in a thread, with a connection of its own. Return its error, if any."""
    errors = []

    def call():
        try:
            with transaction.atomic(using=using):
                connections[using].cursor().execute("SET LOCAL lock_timeout = '100ms'")
                work()
        except OperationalError as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return errors[0] if errors else None


@pytest.fixture
def using(postgresql):
    yield postgresql
    for model in (Comment, Note, Ticket, Tag):
        model.objects.using(postgresql).all().delete()


def test_an_update_writes_no_row_that_matches_only_after_the_rows_were_locked(
    using, observe, published
) -> None:
    comments = Comment.objects.using(using)
    locked, late = comments.create(text="a"), comments.create(text="b")

    def group(row):
        if row.text == "a":  # the rows are locked, and not yet updated
            rows = Comment._base_manager.using(using).filter(pk=late.pk)
            in_other_transaction(lambda: rows.update(date=locked.date, text="a"), using)
        return row.text

    observe(Comment, group)
    assert comments.filter(text="a").update(text="c") == 1
    late.refresh_from_db()
    assert late.text in ("a", "b")
    assert {pk for pk, _group, _action in published[-1]} == {locked.pk}


@pytest.fixture
def while_running():
    """Call `work` after the observers' receiver of a signal."""
    connected = []

    def connect(signal, sender, work):
        def receive(action="pre_clear", **kwargs):
            if action == "pre_clear":
                work()

        connected.append((signal, sender, receive))
        signal.connect(receive, sender)

    yield connect
    for signal, sender, receive in connected:
        signal.disconnect(receive, sender)


def test_no_row_can_begin_to_refer_to_a_row_that_is_being_deleted(
    using, observe, while_running
) -> None:
    observe(Note)
    ticket, errors = Ticket.objects.using(using).create(title="a"), []

    def refer():
        note = Note(about=ticket)
        errors.append(in_other_transaction(lambda: note.save(using=using), using))

    while_running(pre_delete, Ticket, refer)
    ticket.delete()
    assert errors != [None]


@pytest.mark.parametrize("operation", ["clear", "delete"])
def test_no_row_can_be_related_while_the_relations_of_a_row_are_deleted(
    using, observe, while_running, operation
) -> None:
    observe(Tag, many_to_many=True)
    ticket = Ticket.objects.using(using).create(title="a")
    tag, errors = Tag.objects.using(using).create(name="a"), []
    other = Ticket.objects.using(using).get()

    def relate():
        errors.append(in_other_transaction(lambda: other.tags.add(tag), using))

    while_running(m2m_changed, Ticket.tags.through, relate)
    while_running(pre_delete, Ticket, relate)
    ticket.tags.clear() if operation == "clear" else ticket.delete()
    assert len(errors) == 1
    assert errors != [None]
