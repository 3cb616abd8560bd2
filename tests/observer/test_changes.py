"""What was committed, one way of writing after another. No consumer, no loop."""

import contextlib
import uuid
from threading import Thread

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from rest_channels.observer import notify_changed

from .conftest import Watcher
from .models import Cafe, Comment, Country, NamedPlace, Note, Place, Tag, Ticket, Watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def comments():
    return Watcher(Comment)


@pytest.fixture
def moving():
    return Watcher(Comment, lambda row: f"user {row.user_id}")


@pytest.fixture
def people():
    return [User.objects.create_user(name) for name in ("ada", "bob")]


def test_a_save_outside_of_a_transaction(told, comments) -> None:
    comment = Comment.objects.create(text="a")
    comment.save()
    pk = comment.pk
    comment.delete()
    assert told == [[(pk, "all", "create")], [(pk, "all", "update")], [(pk, "all", "delete")]]


def test_a_save_in_a_transaction_is_told_when_it_is_committed(told, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        assert told == []
    assert told == [[(comment.pk, "all", "create")]]


def test_what_is_rolled_back_is_not_told(told, comments) -> None:
    with contextlib.suppress(DatabaseError), transaction.atomic():
        Comment.objects.create(text="a")
        raise DatabaseError
    comment = Comment.objects.create(text="b")
    assert told == [[(comment.pk, "all", "create")]]


def test_a_savepoint_that_is_rolled_back_is_not_told(told, comments) -> None:
    with transaction.atomic():
        first = Comment.objects.create(text="a")
        with contextlib.suppress(DatabaseError), transaction.atomic():
            Comment.objects.create(text="b")
            raise DatabaseError
        with transaction.atomic():
            last = Comment.objects.create(text="c")
    assert told == [[(first.pk, "all", "create"), (last.pk, "all", "create")]]


def test_an_outer_transaction_takes_what_an_inner_one_had_done(told, comments) -> None:
    with contextlib.suppress(DatabaseError), transaction.atomic():
        with transaction.atomic():
            Comment.objects.create(text="b")
        raise DatabaseError
    assert told == []


def test_two_saves_in_one_transaction_are_told_once(told, comments) -> None:
    comment = Comment.objects.create(text="a")
    told.clear()
    with transaction.atomic():
        comment.save()
        comment.save()
    assert told == [[(comment.pk, "all", "update")]]


def test_to_create_and_to_update_is_to_create(told, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        comment.save()
    assert told == [[(comment.pk, "all", "create")]]


def test_to_create_and_to_delete_is_nothing(told, comments) -> None:
    with transaction.atomic():
        Comment.objects.create(text="a").delete()
    assert told == []


def test_a_deletion_that_is_rolled_back_leaves_the_creation(told, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        pk = comment.pk
        with contextlib.suppress(DatabaseError), transaction.atomic():
            comment.delete()
            raise DatabaseError
    assert told == [[(pk, "all", "create")]]


def test_to_update_and_to_delete_is_to_delete(told, comments) -> None:
    comment = Comment.objects.create(text="a")
    told.clear()
    with transaction.atomic():
        pk = comment.pk
        comment.save()
        comment.delete()
    assert told == [[(pk, "all", "delete")]]


def test_rows_are_told_in_the_order_they_were_written(told, comments) -> None:
    Watcher(Country)
    kept = Watcher(Country)
    with transaction.atomic():
        one = Comment.objects.create(text="a")
        Country.objects.create(code="de")
        two = Comment.objects.create(text="b")
        one.save()
    assert [pk for pk, _group, _action in told[0]] == [one.pk, "de", two.pk]
    assert kept.id == "Country"


async def test_async_saves_are_told(told, comments) -> None:
    comment = await Comment.objects.acreate(text="a")
    await comment.asave()
    pk = comment.pk
    await comment.adelete()
    assert [one for [one] in told] == [
        (pk, "all", "create"),
        (pk, "all", "update"),
        (pk, "all", "delete"),
    ]


def test_a_thread_has_transactions_of_its_own(told, comments) -> None:
    def work():
        Comment.objects.create(text="b")
        connection.close()

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert [action for [(_pk, _group, action)] in told] == ["create"]


def test_get_or_create_tells_only_what_it_makes(told, comments) -> None:
    Comment.objects.get_or_create(text="a")
    Comment.objects.get_or_create(text="a")
    assert [action for [(_pk, _group, action)] in told] == ["create"]


def test_update_or_create_tells_what_it_did(told, comments) -> None:
    for _ in range(2):
        Comment.objects.update_or_create(text="a", defaults={"text": "a"})
    assert [action for [(_pk, _group, action)] in told] == ["create", "update"]


def test_cascades_are_told(told, comments, people) -> None:
    pks = [Comment.objects.create(text=text, user=people[0]).pk for text in "ab"]
    told.clear()
    people[0].delete()
    assert sorted(told[0]) == [(pk, "all", "delete") for pk in pks]


def test_what_a_deletion_leaves_behind_is_told(told) -> None:
    watchers = [Watcher(Note), Watcher(Note, lambda row: f"about {row.about_id}")]
    ticket, tag = Ticket.objects.create(), Tag.objects.create()
    note = Note.objects.create(about=ticket, tag=tag)
    told.clear()
    pk = ticket.pk
    ticket.delete()
    tag.delete()
    moved = [(note.pk, f"about {pk}", "delete"), (note.pk, "about None", "create")]
    stays = (note.pk, "about None", "update")
    assert told == [[(note.pk, "all", "update"), *moved], [(note.pk, "all", "update"), stays]]
    assert len(watchers) == 2


def test_keys_may_be_uuids_and_text(told) -> None:
    watchers = [Watcher(Ticket), Watcher(Country)]
    ticket = Ticket.objects.create(id=uuid.uuid4())
    Country.objects.create(pk="de")
    assert told == [[(ticket.pk, "all", "create")], [("de", "all", "create")]]
    assert len(watchers) == 2


def test_a_row_that_is_saved_over_by_its_key_is_updated(told) -> None:
    watcher = Watcher(Country)
    Country.objects.create(code="de")
    Country(code="de", name="Germany").save()
    assert [action for [(_pk, _group, action)] in told] == ["create", "update"]
    assert watcher.model is Country


# Who leaves a group, and who comes.


def test_a_changed_key_moves_the_row_between_groups(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    comment = Comment.objects.get(pk=comment.pk)
    comment.user = people[1]
    comment.save()
    moved = [(f"user {people[0].pk}", "delete"), (f"user {people[1].pk}", "create")]
    assert told == [[(comment.pk, *one) for one in moved]]


def test_a_row_that_stays_is_updated_without_a_query(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        comment.save()
    assert len(queries) == 1
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]


@pytest.mark.parametrize("load", ["refresh", "defer", "only"])
def test_the_database_knows_where_the_row_was(told, moving, people, load) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    if load == "refresh":
        stale = Comment.objects.get(pk=comment.pk)
    comment.user = people[1]
    comment.save()
    told.clear()
    if load == "refresh":
        stale.refresh_from_db()
    else:
        stale = Comment.objects.only("text").get(pk=comment.pk)
        if load == "defer":
            stale = Comment.objects.defer("text").get(pk=comment.pk)
    stale.text = "b"
    stale.save()
    assert told == [[(comment.pk, f"user {people[1].pk}", "update")]]


def test_only_what_is_written_moves_a_row(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    comment.user = people[1]
    comment.save(update_fields=["text"])
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]
    comment.save(update_fields=["user"])
    assert [action for _pk, _group, action in told[1]] == ["delete", "create"]


def test_a_move_that_was_rolled_back_is_told_when_it_happens(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    comment.user = people[1]
    with contextlib.suppress(DatabaseError), transaction.atomic():
        comment.save()
        raise DatabaseError
    comment.save()
    assert [action for _pk, _group, action in told[0]] == ["delete", "create"]


def test_there_and_back_in_one_transaction_is_an_update(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    with transaction.atomic():
        for person in (people[1], people[0]):
            comment.user = person
            comment.save()
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]


def test_an_error_in_a_projects_groups_does_not_fail_its_saves(told, caplog) -> None:
    watcher = Watcher(Comment, lambda row: row.nothing)
    Comment.objects.create(text="a")
    assert (told, watcher.id in caplog.text) == ([], True)


# One row, several classes.


def test_a_proxys_row_is_its_models(told) -> None:
    watchers = [Watcher(Place), Watcher(NamedPlace)]
    place = NamedPlace.objects.create(name="a")
    Place.objects.get(pk=place.pk).save()
    assert told == [[(place.pk, "all", action)] * 2 for action in ("create", "update")]
    assert len(watchers) == 2


def test_a_childs_row_is_its_parents_as_well(told) -> None:
    watcher = Watcher(Place)
    cafe = Cafe.objects.create(name="a")
    cafe.save()
    pk = cafe.pk
    cafe.delete()
    actions = ("create", "update", "delete")
    assert told == [[(pk, "all", action)] for action in actions]
    assert watcher.model is Place


def test_a_parents_row_is_its_childs_as_well(told) -> None:
    watcher = Watcher(Cafe)
    cafe = Cafe.objects.create(name="a")
    told.clear()
    Place.objects.get(pk=cafe.pk).save()
    NamedPlace.objects.get(pk=cafe.pk).save()
    pk = cafe.pk
    Place.objects.get(pk=pk).delete()
    actions = ("update", "update", "delete")
    assert told == [[(pk, "all", action)] for action in actions]
    assert watcher.model is Cafe


# Relations.


@pytest.fixture
def related():
    ticket, tag = Ticket.objects.create(title="a"), Tag.objects.create(name="b")
    return ticket, tag, [Watcher(Ticket, many_to_many=True), Watcher(Tag, many_to_many=True)]


@pytest.mark.parametrize("side", ["ticket", "tag"])
def test_relations_are_told_on_both_sides_of_both(told, related, side) -> None:
    ticket, tag, _watchers = related
    both = {(ticket.pk, "all", "update"), (tag.pk, "all", "update")}
    manager, other = (ticket.tags, tag) if side == "ticket" else (tag.tickets, ticket)
    for write in (
        lambda: manager.add(other),
        lambda: manager.remove(other),
        lambda: manager.set([other]),
        manager.clear,
    ):
        write()
        assert set(told.pop()) == both
    manager.clear()
    manager.add(*[])
    manager.set([])
    assert told == []


def test_who_is_already_related_is_not_told_again(told, related) -> None:
    ticket, tag, _watchers = related
    ticket.tags.add(tag)
    told.clear()
    ticket.tags.add(tag)
    assert told == []


def test_the_far_ends_deletion_is_told(told, related) -> None:
    ticket, tag, _watchers = related
    ticket.tags.add(tag)
    told.clear()
    pk = tag.pk
    tag.delete()
    assert set(told[0]) == {(ticket.pk, "all", "update"), (pk, "all", "delete")}


def test_a_relation_with_a_model_of_its_own_is_told(told, related, people) -> None:
    ticket = related[0]
    row = Watching.objects.create(ticket=ticket, user=people[0])
    row.delete()
    ticket.watchers.add(people[0])
    people[0].delete()
    assert told == [[(ticket.pk, "all", "update")]] * 4


def test_who_does_not_ask_for_relations_is_not_told_of_them(told) -> None:
    watcher = Watcher(User)
    user = User.objects.create_user("ada")
    told.clear()
    user.groups.add(Group.objects.create(name="a"))
    assert (told, watcher.many_to_many) == ([], False)


# What Django sends no signal for.


def test_what_bulk_operations_do_is_told(told, comments) -> None:
    one, two = Comment.objects.bulk_create([Comment(text="a"), Comment(text="b")])
    Comment.objects.bulk_update([one, two], ["text"])
    Comment.objects.filter(pk=one.pk).update(text="c")
    Comment.objects.filter(text="c").delete()
    both = (one.pk, two.pk)
    assert [sorted(some) for some in told] == [
        [(pk, "all", "create") for pk in both],
        [(pk, "all", "update") for pk in both],
        [(one.pk, "all", "update")],
        [(one.pk, "all", "delete")],
    ]


def test_an_update_moves_rows_between_groups(told, moving, people) -> None:
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    Comment.objects.filter(user=people[0]).update(user=people[1])
    moved = [(f"user {people[0].pk}", "delete"), (f"user {people[1].pk}", "create")]
    assert told == [[(comment.pk, *one) for one in moved]]


async def test_async_bulk_operations_are_told(told, comments) -> None:
    await Comment.objects.abulk_create([Comment(text="a")])
    await Comment.objects.aupdate(text="b")
    assert [action for [(_pk, _group, action)] in told] == ["create", "update"]


def test_notify_changed_takes_instances_and_querysets(told) -> None:
    watcher = Watcher(Country)
    country = Country.objects.create(code="de")
    told.clear()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE observer_country SET name = 'x'")
    notify_changed(Country.objects.all())
    notify_changed([country])
    notify_changed([country], "delete")
    notify_changed(Country.objects.all(), "create")
    actions = ("update", "update", "delete", "create")
    assert told == [[("de", "all", action)] for action in actions]
    assert watcher.model is Country


def test_notify_changed_says_what_it_does_not_take() -> None:
    with pytest.raises(ValueError, match="'drop' is not a valid Action"):
        notify_changed([], "drop")


def test_notify_changed_costs_nothing_where_nobody_observes(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        notify_changed(Permission.objects.all())
