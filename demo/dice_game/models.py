"""A table at which people play Pig, a game of dice; the rules are the methods of `Game`."""

from contextlib import contextmanager
from secrets import randbelow

from django.conf import settings
from django.db import models, transaction
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError


class Game(models.Model):
    """Roll as often as you like, but a 1 takes all that you have rolled in this turn."""

    goal = 50

    name = models.CharField(max_length=60)
    number = models.PositiveIntegerField(default=0, editable=False)  # it grows with each change
    turn = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The position that has the turn; none between two games."
    )
    total = models.PositiveSmallIntegerField(default=0, help_text="What this turn has brought.")
    die = models.PositiveSmallIntegerField(null=True, blank=True, help_text="As it lies there.")
    rolls = models.PositiveIntegerField(default=0, editable=False)  # tells two equal ones apart
    news = models.CharField(max_length=400, blank=True, help_text="What has just happened.")

    def __str__(self):
        return self.name

    @classmethod
    @contextmanager
    def changing(cls, pk):
        """The game, to be changed by one at a time; saved unless somebody breaks a rule."""
        with transaction.atomic():
            game = get_object_or_404(cls.objects.select_for_update(), pk=pk)
            yield game
            game.number += 1
            game.save()

    # What people do. `here` are the users at the table: who has gone does not hold up the others.

    def sit(self, user, position, here):
        if self.seats.filter(user=user).exists():
            raise ValidationError("You have a seat already.")
        seat = self.seats.filter(position=position).first()
        if seat is None:
            raise ValidationError("There is no such seat.")
        if seat.user in here:
            raise ValidationError(f"{seat.user} sits there. Take another seat.")
        self.vacate(seat)
        seat.user = user
        seat.save()
        self.news = f"{user} sits down."

    def stand(self, user):
        self.vacate(self.seat_of(user))
        self.news = f"{user} stands up."

    def deal(self, user):
        """Begin a game. Who deals has the first turn."""
        seat = self.seat_of(user)
        if self.turn is not None:
            raise ValidationError("A game is on. Play it to its end.")
        if self.seats.exclude(user=None).count() < 2:
            raise ValidationError("It takes two to play.")
        self.seats.update(score=0)
        self.turn, self.total, self.die = seat.position, 0, None
        self.news = f"A new game. {user} begins."

    def roll(self, user):
        seat = self.seat_of(user)
        if seat != self.playing():
            raise ValidationError(f"It is the turn of {self.playing().user}.")
        self.die = 1 + randbelow(6)
        self.rolls += 1
        if self.die > 1:
            self.total += self.die
            self.news = f"{user} rolls a {self.die}."
        else:
            self.news = f"{user} rolls a 1 and loses {self.total or 'nothing'}."
            self.pass_turn()

    def hold(self, user, here):
        """Bank the turn's total. For somebody who has gone, anyone who plays may do it."""
        seat, own = self.playing(), self.seat_of(user)
        if seat != own and seat.user in here:
            raise ValidationError(f"It is the turn of {seat.user}.")
        if seat == own and not self.total:
            raise ValidationError("There is nothing to hold yet. Roll first.")
        seat.score += self.total
        seat.save()
        self.news = f"{seat.user} holds {self.total}."
        if seat.score < self.goal:
            self.pass_turn()
        else:
            self.news = f"{seat.user} wins with {seat.score} points!"
            self.turn, self.total = None, 0

    # What follows from it.

    def seat_of(self, user):
        seat = self.seats.filter(user=user).first()
        if seat is None:
            raise ValidationError("Sit down first.")
        return seat

    def playing(self):
        """The seat that has the turn."""
        if self.turn is None:
            raise ValidationError("No game is on. Deal first.")
        return self.seats.select_related("user").get(position=self.turn)

    def vacate(self, seat):
        """Free a seat. With fewer than two players left the game is over."""
        seat.user, seat.score = None, 0
        seat.save()
        if self.seats.exclude(user=None).count() < 2:
            self.turn, self.total = None, 0
        elif self.turn == seat.position:
            self.pass_turn()

    def pass_turn(self):
        """Let the next player to the left have the turn."""
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
            models.UniqueConstraint(fields=["game", "position"], name="one_seat_at_a_position"),
            models.UniqueConstraint(fields=["game", "user"], name="one_seat_for_each"),
        ]

    def __str__(self):
        return f"Seat {self.position} at {self.game}"
