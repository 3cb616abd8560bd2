from rest_framework import serializers

from .models import STEPS, Version


class VersionSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.username")

    class Meta:
        model = Version
        fields = ["number", "author", "created", "data"]


class CellSerializer(serializers.Serializer):
    track = serializers.IntegerField()
    step = serializers.IntegerField(min_value=0, max_value=STEPS - 1)
    on = serializers.BooleanField()


class ChangeSerializer(serializers.Serializer):
    """A change to a composition. At least one field is required."""

    title = serializers.CharField(max_length=60, required=False)
    tempo = serializers.IntegerField(min_value=40, max_value=220, required=False)
    cells = CellSerializer(many=True, required=False, max_length=512)

    def validate(self, change):
        if not change:
            raise serializers.ValidationError("Send at least one of title, tempo and cells.")
        return change
