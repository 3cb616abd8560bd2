"""A board of tickets, and the desk beside it. The other half is the page's `board/board.js`."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404

from demo.people import NAMES, demo_people
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import CreateModelMixin, DeleteModelMixin, PatchModelMixin
from rest_channels.observer import model_observer, observer
from rest_channels.permissions import IsAuthenticated

from .meter import MeteredObserver, measured
from .models import Ticket
from .rights import MaySeeBoard, OnlyInDebug, PaneAuthentication, give
from .serializers import MoveSerializer, PersonSerializer, SwitchSerializer, TicketSerializer


class Board(CreateModelMixin, PatchModelMixin, DeleteModelMixin, GenericAsyncAPIConsumer):
    """What one pane is connected to. Rights are asked before each thing that is told."""

    queryset = Ticket.objects.all()
    serializer_class = TicketSerializer
    authentication_classes = [PaneAuthentication]
    permission_classes = [IsAuthenticated, MaySeeBoard]
    check_deliveries = True

    # model_observer(Ticket, serializer_class=TicketSerializer), and it counts what that costs
    tickets = MeteredObserver(None, Ticket, TicketSerializer)

    @action()
    def subscribe_to_board(self, request_id):
        """From now on tell of all tickets; first as they are. So none falls in between."""
        self.tickets.unsubscribe()  # what an earlier request asked for
        self.tickets.subscribe(request_id=request_id)
        tickets = self.get_serializer(self.get_queryset(), many=True).data
        return {"tickets": tickets, "server": settings.SERVER}, 201

    def perform_create(self, serializer):
        ticket = Ticket(owner=self.scope["user"], **serializer.validated_data)
        ticket.put(Ticket.Status.TODO)
        serializer.instance = ticket

    @action(atomic=True)
    def move(self, pk, data):
        serializer = MoveSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        ticket = self.get_object(pk=pk)
        ticket.put(**serializer.validated_data)
        return self.get_serializer(ticket).data, 200

    async def gap(self, groups):
        """Something was lost between two servers: the page has to look again."""
        await self.reply("gap")


class Desk(AsyncAPIConsumer):
    """What the page is connected to beside its panes: who has the right, and what changes cost."""

    permission_classes = [OnlyInDebug]

    # A right is a membership: so its change is one of a many-to-many relation.
    people = model_observer(get_user_model(), PersonSerializer, many_to_many=True)

    @people.groups_for_signal
    def people(self, instance, **kwargs):
        if instance.username in NAMES:
            yield "the demo's"

    @people.groups_for_consumer
    def people(self, **kwargs):
        yield "the demo's"

    @observer(measured)
    async def meter(self, message, subscribing_request_ids):
        for request_id in subscribing_request_ids:
            await self.reply("measured", data=message, request_id=request_id)

    @meter.serializer
    def meter(self, signal, about, **kwargs):
        return about

    @action()
    def subscribe_to_desk(self, request_id):
        self.people.subscribe(request_id=request_id)
        self.meter.subscribe(request_id=request_id)
        return PersonSerializer(demo_people(), many=True).data, 201

    @action()
    def switch(self, data):
        serializer = SwitchSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        person = get_object_or_404(demo_people(), username=serializer.validated_data["name"])
        give(person, serializer.validated_data["may_see"])
        return None, 204

    async def gap(self, groups):
        await self.reply("gap")
