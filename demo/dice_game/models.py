"""Pig, a dice game for two to four players. The rules are the methods of `Game`."""

from contextlib import contextmanager
from secrets import randbelow

from django.conf import settings
from django.db import models, transaction
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError


class Game(models.Model):
    """A player rolls as often as they like. A 1 ends the turn and its points are lost."""

    goal = 50

    name = models.CharField(max_length=60)
    number = models.PositiveIntegerField(default=0, editable=False)  # increases with each change
    turn = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The seat whose turn it is. Empty between two games."
    )
    total = models.PositiveSmallIntegerField(default=0, help_text="The points of this turn.")
    die = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The last roll.")
    rolls = models.PositiveIntegerField(default=0, editable=False)  # shows that a die was rolled
    news = models.CharField(max_length=400, blank=True, help_text="What happened last.")

    def __str__(self):
        return self.name

    @classmethod
    @contextmanager
    def locked(cls, pk):
        """Lock and yield the game, and save it afterwards, unless the block raises an error."""
        with transaction.atomic():
            game = get_object_or_404(cls.objects.select_for_update(), pk=pk)
            yield game
            game.number += 1
            game.save()

    # What players do. `present` are the users who have the page open. An absent player does not
    # block the game: others may take their seat or hold for them.

    def sit(self, user, position, present):
        if self.seats.filter(user=user).exists():
            raise ValidationError("You already have a seat.")
        seat = self.seats.filter(position=position).first()
        if seat is None:
            raise ValidationError("This seat does not exist.")
        if seat.user in present:
            raise ValidationError(f"{seat.user} has this seat. Choose another one.")
        self.vacate(seat)
        seat.user = user
        seat.save()
        self.news = f"{user} sits down."

    def stand(self, user):
        self.vacate(self.seat_of(user))
        self.news = f"{user} stands up."

    def deal(self, user):
        """Start a game. The user who starts it has the first turn."""
        seat = self.seat_of(user)
        if self.turn is not None:
            raise ValidationError("A game is running. Finish it first.")
        if self.seats.exclude(user=None).count() < 2:
            raise ValidationError("A game needs two players.")
        self.seats.update(score=0)
        self.turn, self.total, self.die = seat.position, 0, None
        self.news = f"A new game. {user} begins."

    def roll(self, user):
        seat = self.seat_of(user)
        if seat != self.active_seat():
            raise ValidationError(f"It is {self.active_seat().user}'s turn.")
        self.die = 1 + randbelow(6)
        self.rolls += 1
        if self.die > 1:
            self.total += self.die
            self.news = f"{user} rolls a {self.die}."
        else:
            self.news = f"{user} rolls a 1 and loses {self.total} points."
            self.pass_turn()

    def hold(self, user, present):
        """Add the turn's points to the score. Any player may hold for an absent one."""
        seat, own = self.active_seat(), self.seat_of(user)
        if seat != own and seat.user in present:
            raise ValidationError(f"It is {seat.user}'s turn.")
        if seat == own and not self.total:
            raise ValidationError("You have no points to hold yet. Roll first.")
        seat.score += self.total
        seat.save()
        self.news = f"{seat.user} holds {self.total}."
        if seat.score < self.goal:
            self.pass_turn()
        else:
            self.news = f"{seat.user} wins with {seat.score} points!"
            self.turn, self.total = None, 0

    # Helpers

    def seat_of(self, user):
        seat = self.seats.filter(user=user).first()
        if seat is None:
            raise ValidationError("Sit down first.")
        return seat

    def active_seat(self):
        """Return the seat whose turn it is."""
        if self.turn is None:
            raise ValidationError("No game is running. Start one first.")
        return self.seats.select_related("user").get(position=self.turn)

    def vacate(self, seat):
        """Free a seat. The game ends if fewer than two players are left."""
        seat.user, seat.score = None, 0
        seat.save()
        if self.seats.exclude(user=None).count() < 2:
            self.turn, self.total = None, 0
        elif self.turn == seat.position:
            self.pass_turn()

    def pass_turn(self):
        """Give the turn to the next player."""
        taken = self.seats.exclude(user=None)
        self.turn = (taken.filter(position__gt=self.turn).first() or taken.first()).position
        self.total = 0


class Seat(models.Model):
    game = models.ForeignKey(Game, models.CASCADE, related_name="seats")
    position = models.PositiveSmallIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="seats"
    )
    score = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["game", "position"], name="unique_position_in_game"),
            models.UniqueConstraint(fields=["game", "user"], name="unique_user_in_game"),
        ]

    def __str__(self):
        return f"Seat {self.position} in {self.game}"
