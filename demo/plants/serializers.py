from rest_framework import serializers

from .models import Plant


class PlantSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)
    thirsty = serializers.BooleanField(read_only=True)

    class Meta:
        model = Plant
        fields = [
            "id", "name", "species", "kind", "place", "water_every", "due", "thirsty", "owner"
        ]  # fmt: skip
