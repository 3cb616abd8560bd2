from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from rest_framework.permissions import IsAuthenticated

from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.views import SocketView


class Lines(SocketView):
    permission_classes = [IsAuthenticated]
    histories = {"lines-*": History(size=200, age=600)}

    def connect(self, request, room):
        self.join(f"lines-{room}")

    def receive(self, request, room):
        line = {"from": request.user.username, "text": str(request.data)[:500]}
        self.broadcast(f"lines-{room}", line)


@login_required
def last_lines(request, room):
    kept = Group(f"lines-{room}").history(limit=50)
    return JsonResponse({"lines": [line for _offset, line in kept]})
