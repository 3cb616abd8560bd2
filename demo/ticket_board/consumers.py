"""The sockets of the ticket board. The browser's side is `ticket_board/board.js`."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404
from rest_framework.filters import BaseFilterBackend, SearchFilter

from demo.people import NAMES, demo_users
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import CreateModelMixin, DeleteModelMixin, PatchModelMixin
from rest_channels.observer import ObserverModelListMixin, model_observer, observer
from rest_channels.permissions import IsAuthenticated

from .access import MaySeeBoard, OnlyInDebug, PanelAuthentication, set_access
from .models import Ticket
from .query_counter import measured
from .serializers import AccessSerializer, MoveSerializer, TicketSerializer, UserSerializer


class TicketFilter(BaseFilterBackend):
    """`mine`: only the user's own tickets. `open`: only those that are not done."""

    def filter_queryset(self, request, queryset, view):
        if request.query_params.get("mine"):
            queryset = queryset.filter(owner=request.user)
        if request.query_params.get("open"):
            queryset = queryset.exclude(status=Ticket.Status.DONE)
        return queryset


class BoardConsumer(
    ObserverModelListMixin,
    CreateModelMixin,
    PatchModelMixin,
    DeleteModelMixin,
    GenericAsyncAPIConsumer,
):
    """The socket of one panel, which subscribes to the list of the tickets that it shows.

    Permissions are checked before every message that is sent.
    """

    queryset = Ticket.objects.all()
    serializer_class = TicketSerializer
    authentication_classes = [PanelAuthentication]
    permission_classes = [IsAuthenticated, MaySeeBoard]
    filter_backends = [TicketFilter, SearchFilter]
    search_fields = ["title"]
    check_deliveries = True

    @action(permission_classes=[IsAuthenticated], response=str | None)
    async def server(self):
        """Return the name of the server process, if there are several."""
        return settings.SERVER, 200

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
