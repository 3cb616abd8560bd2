"""Three lists: a user's own tickets, a search in open ones, and the ten of the highest rank."""

from rest_framework import serializers
from rest_framework.filters import SearchFilter

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelListMixin, live_query

from .models import Board, Ticket

SEARCH = "moon"


class TicketSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.first_name", default=None)

    class Meta:
        model = Ticket
        fields = ["id", "board", "owner", "title", "is_open", "rank"]


def seen_by(user):
    """Return the tickets that a user sees."""
    return Ticket.objects.filter(board__members=user).select_related("owner")


class Mine(ObserverModelListMixin, ModelConsumer):
    serializer_class = TicketSerializer

    def get_queryset(self, **kwargs):
        user = self.scope["user"]
        return seen_by(user).filter(owner=user).order_by("title")

    def viewers(self, rows):
        members = Board.members.through.objects.filter(board__ticket__in=rows)
        return members.values_list("board__ticket", "user")


class Open(ObserverModelListMixin, ModelConsumer):
    serializer_class = TicketSerializer
    filter_backends = [SearchFilter]
    search_fields = ["title"]

    def get_queryset(self, **kwargs):
        return seen_by(self.scope["user"]).filter(is_open=True).order_by("title")


class Top(AsyncAPIConsumer):
    @live_query(serializer_class=TicketSerializer)
    def tickets(self):
        return seen_by(self.scope["user"]).order_by("-rank")[:10]

    @action()
    async def watch(self, request_id, have=None):
        return await self.tickets.subscribe(request_id=request_id, have=have), 201


def expected(user):
    """Return the rows of each list of a user, as the database has them now."""
    seen = seen_by(user)
    lists = {
        "mine": seen.filter(owner=user).order_by("title", "pk"),
        "open": seen.filter(is_open=True, title__icontains=SEARCH).order_by("title", "pk"),
        "top": seen.order_by("-rank", "pk")[:10],
    }
    return {name: TicketSerializer(rows, many=True).data for name, rows in lists.items()}
