from typing import TypedDict

from rest_framework.serializers import RegexField, Serializer

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action


class StepSerializer(Serializer):
    start = RegexField("^[a-h][1-8]$")
    end = RegexField("^[a-h][1-8]$")


class Board(TypedDict):
    pieces: dict[str, str]
    turn: str


class Checkers(AsyncAPIConsumer):
    sends = {"moved": Board, "closed": None}  # beside answers, and rows of observers

    @action(request=StepSerializer)
    async def step(self, data) -> tuple[Board, int]:
        step = StepSerializer(data=data)
        step.is_valid(raise_exception=True)
        board: Board = {"pieces": {step.data["end"]: "white"}, "turn": "black"}
        await self.reply("moved", data=board)
        return board, 200

    @action(response=None)
    async def give_up(self, reason: str = ""):
        await self.reply("closed")
        return None, 204
