"""Several people work on one composition. The other half is the page's `compositions/editor.js`."""

from django.conf import settings
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated

from rest_channels.views import SocketView

from .models import Composition
from .presence import come, go
from .serializers import ChangeSerializer, MessageSerializer, VersionSerializer


class CompositionSocketView(SocketView):
    COMPOSITION_GROUP_TEMPLATE = "Composition-%s"
    permission_classes = [IsAuthenticated]

    def connect(self, request, pk):
        check_composition_perms(request.user, pk)
        self.join(self.COMPOSITION_GROUP_TEMPLATE % pk)
        if settings.SERVER:
            self.send_json({"method": "server", "data": settings.SERVER, "status": 200})

    def receive(self, request, pk):
        composition = check_composition_perms(request.user, pk)
        message = checked(MessageSerializer, request.data)
        match message["method"]:
            case "sign_in":
                answer = VersionSerializer(composition.latest()).data
                self.tell_all(pk, "here", come(pk, request.reply_channel.name, request.user))
            case "history":
                answer = VersionSerializer(composition.versions.reverse()[:20], many=True).data
            case "edit":
                change = checked(ChangeSerializer, message["data"])
                answer = VersionSerializer(composition.change(request.user, **change)).data
                self.tell_all(pk, "version", answer)
        self.send_json({**message, "user": request.user.pk, "data": answer, "status": 200})

    def gap(self, request, groups, pk):
        composition = get_object_or_404(Composition, pk=pk)
        answer = VersionSerializer(composition.latest()).data
        self.send_json({"method": "version", "data": answer, "status": 200})

    def disconnect(self, request, pk):
        if here := go(pk, request.reply_channel.name):
            self.tell_all(pk, "here", here)

    def tell_all(self, pk, method, data):
        group = self.COMPOSITION_GROUP_TEMPLATE % pk
        self.broadcast(group, {"method": method, "data": data, "status": 200})


def check_composition_perms(user, pk):
    composition = get_object_or_404(Composition, pk=pk)
    if not composition.is_open_to(user):
        raise PermissionDenied(
            f"This composition is private. Only {composition.owner} can let you in."
        )
    return composition


def checked(serializer_class, data):
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
