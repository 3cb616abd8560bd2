"""A process that writes in all ways, and notes what each list should be after each commit.

It is the only one that writes, so the lists it notes are all that a client may ever show.
"""

import json
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.test import Client

from rest_channels.observer import notify_changed

from .consumers import expected
from .models import Board, Ticket

NAMES = ("ada", "ben", "cleo")
WORDS = ("moon", "sun", "half moon", "star", "full moon")
MOST = 60  # tickets


def prepare() -> dict[str, str]:
    """Delete all rows, create users and boards, and return the session key of each user."""
    for model in (Board, User):
        model.objects.all().delete()
    users = [User.objects.create_user(name, first_name=name) for name in NAMES]
    for members in (users, users[:2], users[1:]):
        board = Board.objects.create()
        board.members.set(members)
    for _ in range(MOST // 2):
        Writer(random.Random(1)).create()
    keys = {}
    for user in users:
        browser = Client()
        browser.force_login(user)
        keys[user.username] = browser.cookies["sessionid"].value
    return keys


def write(seconds: float, pause: float, seed: int, log: str) -> int:
    """Write for some seconds. Return how many commits there were, and write them to a file.

    Each line of the file is a commit: when it began, when it was done, and the lists that it has
    changed, by user and name. The first line is what there was before.
    """
    writer, last, count = Writer(random.Random(seed)), lists(), 0
    end = time.time() + seconds
    with Path(log).open("w") as file:
        file.write(json.dumps([0, 0, last]) + "\n")
        while time.time() < end:
            begun = time.time()
            writer.commit()
            done = time.time()
            now, count = lists(), count + 1
            changed = {name: rows for name, rows in now.items() if last[name] != rows}
            file.write(json.dumps([begun, done, changed]) + "\n")
            last = now
            time.sleep(pause)
    return count


def lists() -> dict[str, Any]:
    """Return the rows of all lists as they are now."""
    return {
        f"{user.username} {name}": [dict(row) for row in rows]
        for user in User.objects.order_by("pk")
        for name, rows in expected(user).items()
    }


class Writer:
    """Writes rows by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def commit(self) -> None:
        """Write in one of the ways."""
        self.chance.choice(
            [self.together, self.rolled_back, *[self.alone] * 2, *[self.one_step] * 4]
        )()

    def one_step(self) -> None:
        with transaction.atomic():
            self.chance.choice(STEPS)(self)

    def alone(self) -> None:
        """Write one row with autocommit."""
        self.chance.choice([Writer.create, Writer.save, Writer.delete])(self)

    def together(self) -> None:
        with transaction.atomic():
            for _ in range(self.chance.randint(2, 4)):
                self.chance.choice(STEPS)(self)

    def rolled_back(self) -> None:
        """Write, and roll a savepoint back."""
        with transaction.atomic():
            with suppress(LookupError), transaction.atomic():
                self.chance.choice(STEPS)(self)
                raise LookupError
            self.save()

    # What is written.

    def any(self, model: Any) -> Any:
        return model.objects.filter(
            pk=self.chance.choice([*model.objects.values_list("pk", flat=True)] or [0])
        ).first()

    def some(self) -> Any:
        """Return a queryset of a few tickets."""
        keys = [*Ticket.objects.values_list("pk", flat=True)]
        return Ticket.objects.filter(pk__in=self.chance.sample(keys, min(4, len(keys))))

    def title(self) -> str:
        return f"{self.chance.choice(WORDS)} {self.chance.randint(0, 9)}"

    def new(self) -> Ticket:
        owner = self.chance.choice([None, *User.objects.order_by("pk")])
        rank = self.chance.randint(0, 99)
        return Ticket(board=self.any(Board), owner=owner, title=self.title(), rank=rank)

    def create(self) -> None:
        if Ticket.objects.count() < MOST:
            self.new().save()
        else:
            self.some().delete()

    def save(self) -> None:
        if ticket := self.any(Ticket):
            new = self.new()
            for name in self.chance.sample(["board", "owner", "title", "rank"], 2):
                setattr(ticket, name, getattr(new, name))
            ticket.is_open = self.chance.random() < 0.7
            ticket.save()

    def delete(self) -> None:
        if ticket := self.any(Ticket):
            ticket.delete()

    def delete_some(self) -> None:
        self.some().delete()

    def update(self) -> None:
        self.some().update(rank=F("rank") + self.chance.randint(-50, 50))

    def move(self) -> None:
        self.some().update(board=self.any(Board))

    def close(self) -> None:
        self.some().update(is_open=self.chance.random() < 0.5)

    def bulk_create(self) -> None:
        if Ticket.objects.count() < MOST:
            Ticket.objects.bulk_create([self.new() for _ in range(3)])

    def bulk_update(self) -> None:
        tickets = [*self.some()]
        for ticket in tickets:
            ticket.title, ticket.rank = self.title(), self.chance.randint(0, 99)
        Ticket.objects.bulk_update(tickets, ["title", "rank"])

    def update_or_create(self) -> None:
        new = self.new()
        values = {"title": new.title, "board": new.board}
        if ticket := self.any(Ticket):
            Ticket.objects.update_or_create(pk=ticket.pk, defaults=values)

    def raw_sql(self) -> None:
        """Write without Django, and report it."""
        if ticket := self.any(Ticket):
            with connection.cursor() as cursor:
                sql = f"UPDATE {Ticket._meta.db_table} SET title = %s WHERE id = %s"
                cursor.execute(sql, [self.title(), ticket.pk])
            notify_changed([ticket])

    def set_members(self) -> None:
        users = [*User.objects.order_by("pk")]
        self.any(Board).members.set(self.chance.sample(users, self.chance.randint(1, 3)))

    def join(self) -> None:
        self.any(Board).members.add(self.any(User))

    def leave(self) -> None:
        self.any(User).board_set.remove(self.any(Board))

    def clear_members(self) -> None:
        self.any(Board).members.clear()

    def rename(self) -> None:
        user = self.any(User)
        user.first_name = self.title()
        user.save()

    def change_boards(self) -> None:
        """Delete a board with its tickets, or create another one."""
        if Board.objects.count() > len(NAMES):
            self.any(Board).delete()
            return
        board = Board.objects.create()
        board.members.set(User.objects.all())
        self.some().update(board=board)


STEPS = (
    *[Writer.create, Writer.save, Writer.update, Writer.bulk_create] * 2,
    Writer.delete,
    Writer.delete_some,
    Writer.move,
    Writer.close,
    Writer.bulk_update,
    Writer.update_or_create,
    Writer.raw_sql,
    Writer.set_members,
    *[Writer.join] * 4,
    Writer.leave,
    Writer.clear_members,
    Writer.rename,
    Writer.change_boards,
)
