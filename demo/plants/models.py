"""Plants. Each has an owner and needs water every few days."""

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
                r"^[A-Z][a-z]+( [a-z-]+)+$",
                "Write the botanical name, for example Monstera deliciosa.",
            )
        ],
    )
    kind = models.CharField(max_length=10, choices=Kind)
    place = models.CharField(max_length=10, choices=Place)
    water_every = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="Days between waterings.",
    )
    due = models.DateField(
        default=localdate, editable=False, help_text="The day of the next watering."
    )
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
            raise ValidationError(f"{self} does not need water yet.")
        self.due = localdate() + timedelta(days=self.water_every)
        self.save(update_fields=["due"])

    def advice(self):
        """Return the gardener's advice for this plant."""
        water = "Water it now." if self.thirsty else "It has enough water."
        return f"{water} {ADVICE[self.kind]}"


ADVICE = {
    Plant.Kind.LEAFY: "Wipe the dust off its leaves and turn the pot every week.",
    Plant.Kind.FERN: "Keep the air moist and keep it out of the sun.",
    Plant.Kind.SUCCULENT: "Put it in the brightest window and water it rarely.",
    Plant.Kind.CACTUS: "Leave it in the sun and water it rarely.",
    Plant.Kind.FLOWER: "Remove withered flowers, so that new ones grow.",
    Plant.Kind.HERB: "Harvest from the top, so that it grows bushy.",
}
