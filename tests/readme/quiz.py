from django.shortcuts import render
from django.views import View
from rest_framework.serializers import IntegerField, Serializer

from sockets import SocketRouter
from sockets.models import Socket


class AnswerSerializer(Serializer):
    number = IntegerField(min_value=1, max_value=4)


class Quiz(View):
    socket = SocketRouter()

    def get(self, request, pk):
        here = Socket.objects.online().filter(path=request.path)
        return render(request, "quiz.html", {"here": here.users()})

    @socket.connect
    def on_open(socket):
        socket.peers().send_action("CAME", who=str(socket.user))

    @socket.route("ANSWER", serializer_class=AnswerSerializer)
    def on_answer(socket, content):  # {"type": "ANSWER", "number": 2}
        socket.send_action("NOTED", number=content["number"])

    @socket.disconnect
    def on_close(socket):
        socket.peers().send_action("LEFT", who=str(socket.user))
