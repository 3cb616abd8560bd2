"""A shelf of plants. Each has an owner, and dries out."""

from datetime import timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import localdate
from rest_framework.exceptions import ValidationError


class Plant(models.Model):
    class Kind(models.TextChoices):
        LEAFY = "leafy"
        FERN = "fern"
        SUCCULENT = "succulent"
        CACTUS = "cactus"
        FLOWER = "flower"
        HERB = "herb"

    class Place(models.TextChoices):
        KITCHEN = "kitchen"
        BATHROOM = "bathroom"
        STUDY = "study"
        HALL = "hall"
        BALCONY = "balcony"

    name = models.CharField(max_length=40, unique=True)
    species = models.CharField(
        max_length=60,
        blank=True,
        validators=[
            RegexValidator(
                r"^[A-Z][a-z]+( [a-z-]+)+$", "As botanists write it, like Monstera deliciosa."
            )
        ],
    )
    kind = models.CharField(max_length=10, choices=Kind)
    place = models.CharField(max_length=10, choices=Place)
    water_every = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="Days between two waterings.",
    )
    due = models.DateField(default=localdate, editable=False, help_text="The next watering.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="plants")

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    @property
    def thirsty(self):
        return self.due <= localdate()

    def water(self):
        if not self.thirsty:
            raise ValidationError(f"{self} is still wet. More water would drown it.")
        self.due = localdate() + timedelta(days=self.water_every)
        self.save(update_fields=["due"])

    def advice(self):
        """What a gardener says who has had a long look at it."""
        first = "Water it, then" if self.thirsty else "It has enough water;"
        return f"{first} {ADVICE[self.kind]}"


ADVICE = {
    Plant.Kind.LEAFY: "wipe the dust off its leaves, and turn it a little every week.",
    Plant.Kind.FERN: "keep its air moist, and the sun off it.",
    Plant.Kind.SUCCULENT: "give it your brightest window, and then forget it for a while.",
    Plant.Kind.CACTUS: "leave it alone. It likes that.",
    Plant.Kind.FLOWER: "pick off what has withered, and more will come.",
    Plant.Kind.HERB: "harvest from the top, so that it grows bushy.",
}
