from rest_framework import serializers

from .models import Game, Seat


class SeatSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="user.username", allow_null=True)

    class Meta:
        model = Seat
        fields = ["position", "name", "score"]


class GameSerializer(serializers.ModelSerializer):
    """The state of a game, as the page shows it."""

    goal = serializers.ReadOnlyField()
    seats = SeatSerializer(many=True)

    class Meta:
        model = Game
        fields = ["number", "goal", "turn", "total", "die", "rolls", "news", "seats"]


class ActionSerializer(serializers.Serializer):
    type = serializers.ChoiceField(
        [f"GAME_ACTION_{action}" for action in ("SIT", "STAND", "ROLL", "HOLD", "DEAL")],
        source="action",
    )
    seat = serializers.IntegerField(default=None)


class ChatSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=500)
