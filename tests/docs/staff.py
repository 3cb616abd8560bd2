from django.http import HttpResponse
from django.views.decorators.http import require_POST

from sockets.models import Socket


@require_POST
def close_the_bar(request):
    here = Socket.objects.filter(path="/tables/7/")
    here.filter(user__is_staff=True).send_action("NOTE", text="Last orders, please collect.")
    guests = here.exclude(user__is_staff=True)
    number = guests.send_action("CLOSING", minutes=10)
    return HttpResponse(f"{number} guests were told.")


async def who_is_on(path):
    here = Socket.objects.online().filter(path=path)
    return [user.get_username() async for user in here.users().order_by("pk")]
