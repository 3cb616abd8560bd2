from django.contrib.auth import get_user_model
from rest_framework import serializers

from .access import may_see_board
from .models import Ticket


class TicketSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Ticket
        fields = ["id", "title", "status", "position", "owner"]
        read_only_fields = ["status", "position"]


class MoveSerializer(serializers.Serializer):
    status = serializers.ChoiceField(Ticket.Status)
    before = serializers.IntegerField(
        allow_null=True, default=None, help_text="The id of the ticket below it."
    )


class UserSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="username")
    may_see = serializers.SerializerMethodField()

    class Meta:
        model = get_user_model()
        fields = ["name", "may_see"]

    def get_may_see(self, user) -> bool:
        return may_see_board(user)


class AccessSerializer(serializers.Serializer):
    name = serializers.CharField()
    may_see = serializers.BooleanField()
