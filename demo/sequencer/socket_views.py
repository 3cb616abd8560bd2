"""The socket of a composition. The browser's side is `sequencer/editor.js`."""

from django.conf import settings
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated

from rest_channels.decorators import socket_route
from rest_channels.groups import Group
from rest_channels.views import SocketRouteView

from .models import Composition
from .presence import PresenceList, add_presence, remove_presence
from .serializers import ChangeSerializer, VersionSerializer


class CompositionSocketView(SocketRouteView):
    COMPOSITION_GROUP_TEMPLATE = "Composition-%s"
    permission_classes = [IsAuthenticated]
    sends = {"presence": PresenceList, "version": VersionSerializer, "server": str}

    def connect(self, request, pk):
        check_composition_perms(request.user, pk)
        self.join(self.COMPOSITION_GROUP_TEMPLATE % pk)
        if settings.SERVER:
            self.route_send(request.reply_channel, settings.SERVER, method="server")

    @socket_route(response=VersionSerializer)
    def sign_in(self, request, data, pk):
        composition = check_composition_perms(request.user, pk)
        presence = add_presence(pk, request.reply_channel.name, request.user)
        self.send_to_editors(pk, "presence", presence)
        return VersionSerializer(composition.latest()).data

    @socket_route(response=VersionSerializer(many=True))
    def history(self, request, data, pk):
        composition = check_composition_perms(request.user, pk)
        return VersionSerializer(composition.versions.reverse()[:20], many=True).data

    @socket_route(request=ChangeSerializer, response=VersionSerializer)
    def edit(self, request, data, pk):
        composition = check_composition_perms(request.user, pk)
        serializer = ChangeSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        saved = composition.change(request.user, **serializer.validated_data)
        version = VersionSerializer(saved).data
        self.send_to_editors(pk, "version", version)
        return version

    def gap(self, request, groups, pk):
        composition = get_object_or_404(Composition, pk=pk)
        version = VersionSerializer(composition.latest()).data
        self.route_send(request.reply_channel, version, method="version")

    def disconnect(self, request, pk):
        if presence := remove_presence(pk, request.reply_channel.name):
            self.send_to_editors(pk, "presence", presence)

    def send_to_editors(self, pk, method, data):
        self.route_send(Group(self.COMPOSITION_GROUP_TEMPLATE % pk), data, method=method)


def check_composition_perms(user, pk):
    composition = get_object_or_404(Composition, pk=pk)
    if not composition.is_open_to(user):
        raise PermissionDenied(
            f"This composition is private. Only {composition.owner} can give you access."
        )
    return composition
