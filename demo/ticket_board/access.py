"""Which users may see the board, and as which user a panel of the page connects."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core import signing
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from demo.people import demo_users
from rest_channels.permissions import BasePermission

GROUP = "board"
SALT = "demo.ticket_board"
MAX_AGE = 12 * 3600  # seconds that a token is valid


def may_see_board(user):
    return user.groups.filter(name=GROUP).exists()


def set_access(user, may_see):
    """Allow `user` to see the board, or withdraw that permission."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    if may_see:
        group.user_set.add(user)
    else:
        group.user_set.remove(user)


class MaySeeBoard(BasePermission):
    message = "You do not have permission to see this board."

    def has_permission(self, scope, consumer, action, **kwargs):
        return may_see_board(scope["user"])


class OnlyInDebug(BasePermission):
    """Only in debug mode may a visitor act as each of the demo's users and set their access."""

    async def has_permission(self, scope, consumer, action, **kwargs):
        return settings.DEBUG

    async def can_connect(self, scope, consumer, message):
        return settings.DEBUG


# One page shows the board as three users. Each panel has a token, which is valid only here.


def create_token(user):
    return signing.dumps(user.username, salt=SALT)


class PanelAuthentication(BaseAuthentication):
    """`Authorization: Panel <token>`; on a socket, a frame `{"action": "authenticate", …}`."""

    keyword = "Panel"

    def authenticate(self, request):
        keyword, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if keyword != self.keyword:
            return None
        try:
            name = signing.loads(token, salt=SALT, max_age=MAX_AGE)
        except signing.BadSignature:
            raise AuthenticationFailed("This page is too old. Load it again.") from None
        if (user := demo_users().filter(username=name).first()) is None:
            raise AuthenticationFailed("There is no user with this name.")
        return user, token

    def authenticate_header(self, request):
        return self.keyword
