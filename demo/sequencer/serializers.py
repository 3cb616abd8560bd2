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
    """What somebody changed: any of the three."""

    title = serializers.CharField(max_length=60, required=False)
    tempo = serializers.IntegerField(min_value=40, max_value=220, required=False)
    cells = CellSerializer(many=True, required=False, max_length=512)

    def validate(self, change):
        if not change:
            raise serializers.ValidationError("Nothing was changed.")
        return change


class MessageSerializer(serializers.Serializer):
    method = serializers.ChoiceField(["sign_in", "history", "edit"])
    data = serializers.DictField(default=dict, allow_null=True)
    request_id = serializers.IntegerField(default=None)
