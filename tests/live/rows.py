"""What the lists of several tests show, and which users see it."""

from rest_framework import serializers

from tests.observer.models import Comment, Message, Room, Tag, Ticket


class TagSerializer(serializers.ModelSerializer):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text"]


class MessageSerializer(serializers.ModelSerializer):
    class Meta:
        model = Message
        fields = ["id", "text"]


class TitleSerializer(serializers.ModelSerializer):
    names = serializers.SlugRelatedField("name", source="tags", many=True, read_only=True)

    class Meta:
        model = Ticket
        fields = ["id", "title", "names"]


def members_of(messages):
    """Return the keys of messages, each with that of a user who is in its room."""
    members = Room.current_users.through.objects.filter(room__messages__in=messages)
    return members.values_list("room__messages", "user")
