"""One row in several classes: its deletion is published as that of the class that was saved."""

import pytest

from rest_channels.observer.capture import changes
from tests.observer.models import Bookstore, Cafe, NamedPlace, Place

pytestmark = pytest.mark.django_db(transaction=True)


def class_name(row):
    return type(row).__name__


ROADS = {
    "itself": lambda row: row.delete(),
    "base": lambda row: Place.objects.get().delete(),
    "queryset of the base": lambda row: Place.objects.all().delete(),
    "deferred": lambda row: Place.objects.only("pk").get().delete(),
}


@pytest.mark.parametrize(
    ("model", "road"),
    [*((model, road) for model in (Cafe, Bookstore) for road in ROADS), (NamedPlace, "itself")],
)
def test_a_child_is_deleted_from_the_groups_of_the_class_that_was_saved(
    observe, published, model, road
) -> None:
    observe(Place, class_name)
    row = model.objects.create(name="a")
    published.clear()
    ROADS[road](row)
    ((_pk, group, action),) = published[0]
    assert (group, action) == (model.__name__, "delete")


@pytest.mark.parametrize("model", [Cafe, Bookstore])
def test_the_deleted_instance_that_observers_receive_is_the_child(observe, model) -> None:
    observer, committed = observe(Place), []
    observer.keeps_instance = True
    changes.listeners.append(committed.extend)
    try:
        model.objects.create(name="a").delete()
    finally:
        changes.listeners.pop()
    rows = [change.row for change in committed if observer in change.moves]
    assert [type(row) for row in rows] == [model, model]
    assert rows[-1].pk is not None


@pytest.mark.parametrize("by", ["proxy", "base"])
def test_an_observer_of_a_proxy_receives_instances_of_the_proxy(observe, by) -> None:
    observer, committed = observe(NamedPlace, class_name), []
    observer.keeps_instance = True
    changes.listeners.append(committed.extend)
    try:
        row = (NamedPlace if by == "proxy" else Place).objects.create(name="a")
        row.save()
        (Place if by == "proxy" else NamedPlace).objects.get().delete()
    finally:
        changes.listeners.pop()
    moves = [change.moves[observer] for change in committed]
    names = {name for before_and_after in moves for groups in before_and_after for name in groups}
    assert names == {"NamedPlace"}


def test_a_later_row_with_the_key_of_a_deleted_child_is_not_taken_for_it(
    observe, published
) -> None:
    observe(Place, class_name)
    cafe = Cafe.objects.create(name="a")
    key = cafe.pk
    Cafe.objects.filter(pk=key).delete()
    published.clear()
    Place.objects.create(pk=key, name="b").delete()
    assert published[-1] == [(key, "Place", "delete")]
