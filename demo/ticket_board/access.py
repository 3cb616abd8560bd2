"""Who may see the board: those in a group, which is asked before each thing that is told."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core import signing
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from demo.people import demo_people
from rest_channels.permissions import BasePermission

GROUP = "board"
SALT = "demo.board"
HOURS = 12


def may_see(user):
    return user.groups.filter(name=GROUP).exists()


def give(user, right):
    """Let `user` see the board, or no longer."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    if right:
        group.user_set.add(user)
    else:
        group.user_set.remove(user)


class MaySeeBoard(BasePermission):
    message = "Your right to see this board was taken away."

    def has_permission(self, scope, consumer, action, **kwargs):
        return may_see(scope["user"])


class OnlyInDebug(BasePermission):
    """Who may slip into each of the demo's people may also give and take their rights."""

    async def has_permission(self, scope, consumer, action, **kwargs):
        return settings.DEBUG

    async def can_connect(self, scope, consumer, message):
        return settings.DEBUG


# One page is three people. Each pane has a token, which is good for nothing but this board.


def token_of(user):
    return signing.dumps(user.username, salt=SALT)


class PaneAuthentication(BaseAuthentication):
    """`Authorization: Pane <token>`; on a socket, a frame `{"action": "authenticate", …}`."""

    keyword = "Pane"

    def authenticate(self, request):
        keyword, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if keyword != self.keyword:
            return None
        try:
            name = signing.loads(token, salt=SALT, max_age=HOURS * 3600)
        except signing.BadSignature:
            raise AuthenticationFailed("This page is too old. Load it again.") from None
        if (user := demo_people().filter(username=name).first()) is None:
            raise AuthenticationFailed("There is nobody of that name.")
        return user, token

    def authenticate_header(self, request):
        return self.keyword
