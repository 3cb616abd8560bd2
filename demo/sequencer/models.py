"""A composition is a step sequencer: tracks × 16 steps. Every change to it is a version."""

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
    arrivals = models.PositiveIntegerField(default=0, editable=False)  # and departures

    def __str__(self):
        return self.title

    def is_open_to(self, user):
        return self.owner_id == user.pk or self.members.filter(pk=user.pk).exists()

    def latest(self):
        """The latest version; before the first, an empty one that is not saved."""
        return self.versions.last() or Version(
            author=self.owner,
            created=timezone.now(),
            number=0,
            data={"title": self.title, "tempo": 112, "tracks": self.rows({})},
        )

    def rows(self, steps):
        """The tracks as a version keeps them; `steps` by track id, silent where there are none."""
        silence = (False,) * STEPS
        return [
            {"id": track.pk, "name": track.name, "steps": [*steps.get(track.pk, silence)]}
            for track in self.tracks.all()
        ]

    def change(self, author, *, cells=(), **values):
        """Save the next version: the latest with other `values` (title, tempo) and `cells`."""
        with transaction.atomic():
            type(self).objects.select_for_update().get(pk=self.pk)  # one change at a time
            latest = self.latest()
            steps = {track["id"]: track["steps"] for track in latest.data["tracks"]}
            for cell in cells:
                steps.setdefault(cell["track"], [False] * STEPS)[cell["step"]] = cell["on"]
            data = {**latest.data, **values, "tracks": self.rows(steps)}
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
    data = models.JSONField(help_text="The whole of it: title, tempo, and tracks with their steps.")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["composition", "number"], name="one_of_each_number")
        ]

    def __str__(self):
        return f"{self.composition} {self.number}"


class Presence(models.Model):
    """Somebody works on a composition: a row for each connection."""

    composition = models.ForeignKey(Composition, models.CASCADE, related_name="presences")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="presences")
    address = models.CharField(max_length=100, unique=True)
    since = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.user} on {self.composition}"
