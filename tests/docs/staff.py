from django.http import HttpResponse
from django.views.decorators.http import require_POST

from sockets.models import Socket


@require_POST
def announce_closing(request):
    sockets = Socket.objects.filter(path="/tables/7/")
    sockets.filter(user__is_staff=True).send_action("NOTE", text="Please take the last orders.")
    guests = sockets.exclude(user__is_staff=True)
    number = guests.send_action("CLOSING", minutes=10)
    return HttpResponse(f"{number} guests were notified.")


async def users_online(path):
    sockets = Socket.objects.online().filter(path=path)
    return [user.get_username() async for user in sockets.users().order_by("pk")]
