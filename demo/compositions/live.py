"""Several people work on one composition. The other half is the page's `compositions/editor.js`."""

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated

from rest_channels.views import SocketView

from .models import Composition
from .presence import roll_call
from .serializers import ChangeSerializer, MessageSerializer, VersionSerializer


class CompositionSocketView(SocketView):
    COMPOSITION_GROUP_TEMPLATE = "Composition-%s"
    permission_classes = [IsAuthenticated]

    def connect(self, request, pk):
        check_composition_perms(request.user, pk)
        self.join(self.COMPOSITION_GROUP_TEMPLATE % pk)

    def receive(self, request, pk):
        composition = check_composition_perms(request.user, pk)
        message = checked(MessageSerializer, request.data)
        match message["method"]:
            case "sign_in":
                answer = VersionSerializer(composition.latest()).data
                self.tell_who_is_here(request, pk, request.user.username)
            case "history":
                answer = VersionSerializer(composition.versions.reverse()[:20], many=True).data
            case "edit":
                change = checked(ChangeSerializer, message["data"])
                answer = VersionSerializer(composition.change(request.user, **change)).data
                self.tell_all(pk, "version", answer)
        self.send_json({**message, "user": request.user.pk, "data": answer, "status": 200})

    def disconnect(self, request, pk):
        self.tell_who_is_here(request, pk, name=None)

    def tell_who_is_here(self, request, pk, name):
        with roll_call(pk, request.reply_channel.name, name) as names:
            self.tell_all(pk, "here", names)

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
