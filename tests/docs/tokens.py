from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core import signing
from django.http import JsonResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action

HOUR = 3600  # seconds


@login_required
def new_token(request):
    return JsonResponse({"token": signing.dumps(request.user.pk, salt="notes")})


class SignedToken(BaseAuthentication):
    def authenticate(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        try:
            pk = signing.loads(token, salt="notes", max_age=HOUR)
            return User.objects.get(pk=pk, is_active=True), token
        except (signing.BadSignature, User.DoesNotExist):
            raise AuthenticationFailed("This token is wrong or too old.") from None

    def authenticate_header(self, request):
        return "Bearer"


class Phone(AsyncAPIConsumer):
    authentication_classes = [SignedToken]
    permission_classes = [IsAuthenticated]

    @action()
    async def whoami(self):
        return {"name": self.scope["user"].get_username()}, 200
