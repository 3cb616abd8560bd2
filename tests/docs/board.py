from rest_framework.permissions import IsAuthenticated

from rest_channels.views import SocketView


class Board(SocketView):
    permission_classes = [IsAuthenticated]

    def connect(self, request):
        self.join("board")  # before the query, so that no change is missed
        self.show(request)

    def receive(self, request):
        self.broadcast("board", {"editing": request.user.username})

    def gap(self, request, groups):
        self.show(request)

    def show(self, request):
        titles = request.user.notes.order_by("pk").values_list("title", flat=True)
        self.send_json({"titles": list(titles)})
