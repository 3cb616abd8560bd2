"""A composition is a step sequencer: tracks × 16 steps. Every change is saved as a version."""

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

STEPS = 16


class Composition(models.Model):
    title = models.CharField(max_length=60)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="own_compositions"
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="compositions", blank=True
    )
    presence_number = models.PositiveIntegerField(default=0, editable=False)  # see presence.py

    def __str__(self):
        return self.title

    def is_open_to(self, user):
        return self.owner_id == user.pk or self.members.filter(pk=user.pk).exists()

    def latest(self):
        """Return the latest version, or an empty unsaved one if there is none yet."""
        return self.versions.last() or Version(
            author=self.owner,
            created=timezone.now(),
            number=0,
            data={"title": self.title, "tempo": 112, "tracks": self.track_data({})},
        )

    def track_data(self, steps):
        """Return the tracks as a version stores them. `steps` maps track ids to lists of steps."""
        no_steps = (False,) * STEPS
        return [
            {"id": track.pk, "name": track.name, "steps": [*steps.get(track.pk, no_steps)]}
            for track in self.tracks.all()
        ]

    def change(self, author, *, cells=(), **values):
        """Save and return the next version: the latest one with `values` and `cells` applied."""
        with transaction.atomic():
            type(self).objects.select_for_update().get(pk=self.pk)  # one change at a time
            latest = self.latest()
            steps = {track["id"]: track["steps"] for track in latest.data["tracks"]}
            for cell in cells:
                steps.setdefault(cell["track"], [False] * STEPS)[cell["step"]] = cell["on"]
            data = {**latest.data, **values, "tracks": self.track_data(steps)}
            self.title = data["title"]
            self.save(update_fields=["title"])
            return self.versions.create(author=author, number=latest.number + 1, data=data)


class Track(models.Model):
    composition = models.ForeignKey(Composition, models.CASCADE, related_name="tracks")
    name = models.CharField(max_length=30)

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return self.name


class Version(models.Model):
    composition = models.ForeignKey(Composition, models.CASCADE, related_name="versions")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="versions")
    created = models.DateTimeField(auto_now_add=True)
    number = models.PositiveIntegerField()
    data = models.JSONField(help_text="Title, tempo, and the tracks with their steps.")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["composition", "number"], name="unique_number_in_composition"
            )
        ]

    def __str__(self):
        return f"{self.composition}, version {self.number}"


class Presence(models.Model):
    """A connection that has a composition open."""

    composition = models.ForeignKey(Composition, models.CASCADE, related_name="presences")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="presences")
    address = models.CharField(max_length=100, unique=True)
    since = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.user} in {self.composition}"
