"""Which users have a page of the demo open. The browser's side is `demo/visitors.js`.

Each page opens this socket, so each open page is a `Socket` row. The dice game does not need it:
the socket of its page is a router itself.
"""

from sockets import SocketRouter
from sockets.models import Socket


class Visitors:
    """Says which users have a page open, and that this has changed."""

    socket = SocketRouter()

    @socket.connect
    @socket.disconnect
    def on_change(socket):
        socket.peers().send_action("CHANGED")

    @socket.gap
    @socket.route("GET_VISITORS")
    def on_get_visitors(socket, content):
        """Answer with the users. After each change all ask again, so the last answer is right."""
        here = Socket.objects.online().filter(path=socket.path)
        names = here.users().order_by("username").values_list("username", flat=True)
        guests = here.filter(user=None).count()
        socket.send_action("VISITORS", names=[*names], guests=guests)
