from rest_framework import serializers

from .models import Message, Room


class RoomSerializer(serializers.ModelSerializer):
    host = serializers.CharField(source="host.username", read_only=True)
    people = serializers.ListField(read_only=True)

    class Meta:
        model = Room
        fields = ["id", "name", "host", "people"]


class MessageSerializer(serializers.ModelSerializer):
    user = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Message
        fields = ["id", "room", "user", "text", "created_at"]
