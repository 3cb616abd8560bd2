"""The sockets of the ticket board. The browser's side is `ticket_board/board.js`."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404

from demo.people import NAMES, demo_users
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.history import History
from rest_channels.mixins import CreateModelMixin, DeleteModelMixin, PatchModelMixin
from rest_channels.observer import model_observer, observer
from rest_channels.permissions import IsAuthenticated

from .access import MaySeeBoard, OnlyInDebug, PanelAuthentication, set_access
from .models import Ticket
from .query_counter import CountingObserver, measured
from .serializers import (
    AccessSerializer,
    BoardSerializer,
    MoveSerializer,
    TicketSerializer,
    UserSerializer,
)


class BoardConsumer(CreateModelMixin, PatchModelMixin, DeleteModelMixin, GenericAsyncAPIConsumer):
    """The socket of one panel. Permissions are checked before every message that is sent."""

    queryset = Ticket.objects.all()
    serializer_class = TicketSerializer
    authentication_classes = [PanelAuthentication]
    permission_classes = [IsAuthenticated, MaySeeBoard]
    check_deliveries = True

    # This is model_observer(Ticket, serializer_class=…, history=…) that also counts queries.
    # A client that was away for ten minutes at most receives what it missed.
    tickets = CountingObserver(
        None, Ticket, serializer_class=TicketSerializer, history=History(size=200, age=600)
    )

    @action(response=BoardSerializer)
    def subscribe_to_board(self, request_id):
        """Subscribe first, then return all tickets: so no change is missed in between."""
        self.tickets.unsubscribe()  # from an earlier request
        self.tickets.subscribe(request_id=request_id)
        tickets = self.get_serializer(self.get_queryset(), many=True).data
        return {"tickets": tickets, "server": settings.SERVER}, 201

    def perform_create(self, serializer):
        ticket = Ticket(owner=self.scope["user"], **serializer.validated_data)
        ticket.move(Ticket.Status.TODO)
        serializer.instance = ticket

    @action(atomic=True, request=MoveSerializer, response=TicketSerializer)
    def move(self, pk: int, data):
        serializer = MoveSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        ticket = self.get_object(pk=pk)
        ticket.move(**serializer.validated_data)
        return self.get_serializer(ticket).data, 200


class MonitorConsumer(AsyncAPIConsumer):
    """The socket of the page itself: which users have access, and how many queries changes need."""

    permission_classes = [OnlyInDebug]

    # Access is the membership in a group, so it changes with a many-to-many relation.
    users = model_observer(get_user_model(), UserSerializer, many_to_many=True)

    @users.groups_for_signal
    def users(self, instance, **kwargs):
        if instance.username in NAMES:
            yield "demo users"

    @users.groups_for_consumer
    def users(self, **kwargs):
        yield "demo users"

    @observer(measured)
    async def measurements(self, message, subscribing_request_ids):
        for request_id in subscribing_request_ids:
            await self.reply("measured", data=message, request_id=request_id)

    @measurements.serializer
    def measurements(self, signal, measurement, **kwargs):
        return measurement

    @action(response=UserSerializer(many=True))
    def subscribe_to_monitor(self, request_id):
        self.users.subscribe(request_id=request_id)
        self.measurements.subscribe(request_id=request_id)
        return UserSerializer(demo_users(), many=True).data, 201

    @action(request=AccessSerializer, response=None)
    def set_access(self, data):
        serializer = AccessSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        user = get_object_or_404(demo_users(), username=serializer.validated_data["name"])
        set_access(user, serializer.validated_data["may_see"])
        return None, 204

    async def gap(self, groups):
        """Messages between servers were lost: the page has to ask again who has access."""
        await self.reply("gap")
