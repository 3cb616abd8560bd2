"""Guards that a site puts around a view: middleware, decorators in the URLs, CSRF and origins."""

import json

import pytest
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from rest_framework.authentication import SessionAuthentication
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from rest_channels.checks import check_wrapped_views
from rest_channels.consumers import ModelConsumer, view_as_consumer
from rest_channels.handshake.identity import open_session
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN_REQUIRED = ["django.contrib.auth.middleware.LoginRequiredMiddleware"]


def secret(request):
    return HttpResponse("the secret")


class Secret(View):
    def get(self, request):
        return HttpResponse("the secret")


@login_not_required
def public(request):
    return HttpResponse("the secret")


@method_decorator(login_not_required, name="dispatch")
class Public(Secret):
    pass


class StaffOnly(LoginRequiredMiddleware):
    def process_view(self, request, view_func, view_args, view_kwargs):
        return None if request.user.is_staff else HttpResponse("no", status=403)


async def status_of(view, user=None, **frame):
    async with SocketCommunicator(
        view_as_consumer(view), user=user or AnonymousUser(), dialect="action"
    ) as socket:
        await socket.send_json({"action": "list", "request_id": 1, **frame})
        return (await socket.receive_json())["response_status"]


@pytest.mark.parametrize("view", [secret, Secret, Secret.as_view(), never_cache(secret)])
async def test_a_view_behind_the_login_middleware_refuses_anonymous_clients(view) -> None:
    with override_settings(MIDDLEWARE=LOGIN_REQUIRED):
        assert await status_of(view) == 403
        assert await status_of(view, User(username="ada")) == 200


@pytest.mark.parametrize("view", [public, Public, Public.as_view()])
async def test_a_view_that_needs_no_login_is_open_behind_the_login_middleware(view) -> None:
    with override_settings(MIDDLEWARE=LOGIN_REQUIRED):
        assert await status_of(view) == 200


async def test_a_subclass_of_the_login_middleware_decides_as_over_http() -> None:
    with override_settings(MIDDLEWARE=[f"{__name__}.StaffOnly"]):
        assert await status_of(secret, User(username="ada")) == 403
        assert await status_of(secret, User(username="eve", is_staff=True)) == 200


def unnamed_guard(view):
    def check(request, *args, **kwargs):
        return view(request) if request.user.is_staff else HttpResponse(status=403)

    return check


class Decorated:
    urlpatterns = [
        path("a/", login_required(secret)),
        path("b/", include([path("c/", login_required(Secret.as_view()))])),
        path("d/", never_cache(cache_page(60)(public))),
    ]


class Unnamed:
    urlpatterns = [path("a/", unnamed_guard(secret))]


class Bare:
    urlpatterns = [path("a/", login_required(secret)), path("b/", secret)]


async def refused(view):
    socket = SocketCommunicator(view_as_consumer(view), user=AnonymousUser(), dialect="action")
    accepted, _code = await socket.connect()
    if accepted:
        frame = await socket.receive_json()
        await socket.disconnect()
        return frame.get("response_status", frame.get("status")) == 403
    return True


@pytest.mark.parametrize("view", [secret, Secret, Secret.as_view()])
async def test_a_view_whose_url_has_a_guarding_decorator_is_not_served_without_it(view) -> None:
    with override_settings(ROOT_URLCONF=Decorated):
        assert await refused(view)


async def test_a_decorator_that_hides_its_view_is_found_as_well(caplog) -> None:
    with override_settings(ROOT_URLCONF=Unnamed):
        assert await refused(secret)
    assert "The URL 'a/' decorates this view" in caplog.text


async def test_a_decorated_view_is_served_with_its_decorator() -> None:
    with override_settings(ROOT_URLCONF=Decorated):
        assert await status_of(login_required(secret)) == 302
        assert await status_of(login_required(Secret.as_view()), User(username="ada")) == 200
        assert await status_of(public) == 200  # decorators that refuse no client


async def test_a_view_that_one_url_leaves_open_is_served() -> None:
    with override_settings(ROOT_URLCONF=Bare):
        assert await status_of(secret) == 200


def test_the_check_names_a_view_without_the_decorator_of_its_url() -> None:
    wrapped = view_as_consumer(Secret)
    with override_settings(ROOT_URLCONF=Decorated):
        messages = [
            each for each in check_wrapped_views(None) if each.obj is wrapped.consumer_class
        ]
        assert [each.id for each in messages] == ["rest_channels.E011"]
    assert not [each for each in check_wrapped_views(None) if each.obj is wrapped.consumer_class]


class TenantMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def process_view(self, request, view_func, view_args, view_kwargs):
        return None


class GuardInCall:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request) if request.user.is_staff else HttpResponse(status=403)


def guard_function(get_response):
    return GuardInCall(get_response)


class GuardInRequest(MiddlewareMixin):
    def process_request(self, request):
        return None if request.user.is_staff else HttpResponse(status=403)


class HeadersOnly(MiddlewareMixin):
    def process_response(self, request, response):
        return response


GUARDS = ["TenantMiddleware", "GuardInCall", "guard_function", "GuardInRequest"]


@pytest.mark.parametrize("guard", GUARDS)
def test_the_check_names_middleware_that_may_guard_views_and_is_not_run(guard) -> None:
    wrapped = view_as_consumer(Secret)
    others = [f"{__name__}.StaffOnly", f"{__name__}.HeadersOnly", *LOGIN_REQUIRED]
    with override_settings(MIDDLEWARE=[f"{__name__}.{guard}", *others]):
        [warning] = [each for each in check_wrapped_views(None) if each.id == "rest_channels.W011"]
    assert f"so {__name__}.{guard} cannot refuse" in warning.msg
    with override_settings(MIDDLEWARE=others):
        assert "rest_channels.W011" not in {each.id for each in check_wrapped_views(None)}
    del wrapped


class Names(ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "first_name")


class Users(ModelViewSet):
    queryset = User.objects.all()
    serializer_class = Names
    authentication_classes = (SessionAuthentication,)


def write(request):
    User.objects.update(first_name="written")
    return HttpResponse("done")


class Write(View):
    def post(self, request):
        return write(request)


class Own(APIView):
    authentication_classes = ()

    def post(self, request):
        write(request)
        return Response("done")


class SessionConsumer(ModelConsumer):
    queryset = User.objects.all()
    serializer_class = Names
    authentication_classes = (SessionAuthentication,)


@pytest.fixture
async def cookie():
    user = await User.objects.acreate_user("ada")

    def log_in():
        session = open_session(None)
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return session.session_key

    return user, f"sessionid={await database_sync_to_async(log_in)()}".encode()


def channels_mount(application):
    return AuthMiddlewareStack(URLRouter([path("ws/", application)]))


def own_mount(application):
    return SocketApplication([path("ws/", application)])


async def written(application, cookie, origin, action, mount=channels_mount):
    """Return whether a page of `origin` can write with the session cookie of a user."""
    user, key = cookie
    headers = [(b"cookie", key), (b"host", b"testserver")]
    headers += [(b"origin", origin)] if origin else []
    socket = WebsocketCommunicator(mount(application), "/ws/", headers)
    accepted, _detail = await socket.connect()
    if accepted:
        frame = {"action": action, "request_id": 1, "data": {"first_name": "written"}}
        if action in ("update", "patch"):
            frame |= {"pk": user.pk} if application is SESSION else {"parameters": {"pk": user.pk}}
        await socket.send_to(text_data=json.dumps(frame))
        await socket.receive_output(2)
    await socket.disconnect()
    await user.arefresh_from_db()
    return user.first_name == "written"


SESSION = SessionConsumer.as_asgi()
WRITERS = [
    (view_as_consumer(Users), "update"),
    (view_as_consumer(Users), "patch"),
    (view_as_consumer(Write), "post"),
    (view_as_consumer(write), "list"),
    (view_as_consumer(Own), "post"),
    (SESSION, "patch"),
]


@pytest.mark.parametrize(("application", "action"), WRITERS)
async def test_a_foreign_page_cannot_write_without_socketapplication(
    application, action, cookie
) -> None:
    assert not await written(application, cookie, b"https://evil.example", action)


@pytest.mark.parametrize(("application", "action"), WRITERS)
@pytest.mark.parametrize("origin", [b"http://testserver", None])
async def test_a_page_of_the_site_writes_without_socketapplication(
    application, action, cookie, origin
) -> None:
    assert await written(application, cookie, origin, action)


async def test_an_origin_that_socketapplication_checked_is_not_checked_again(
    cookie, settings
) -> None:
    settings.REST_CHANNELS = {"ALLOWED_ORIGINS": ["https://friend.example"]}
    application, action = WRITERS[0]
    origin = b"https://friend.example"
    assert await written(application, cookie, origin, action, own_mount)


async def test_a_client_cannot_send_the_mark_of_a_checked_origin(cookie) -> None:
    _user, key = cookie
    headers = [(b"cookie", key), (b"origin", b"https://evil.example"), (b"host", b"testserver")]
    headers += [(b"rest_channels.origin_checked", b"1"), (b"rest-channels-origin-checked", b"1")]
    socket = WebsocketCommunicator(channels_mount(WRITERS[2][0]), "/ws/?origin_checked=1", headers)
    await socket.connect()
    await socket.send_to(text_data=json.dumps({"action": "post", "request_id": 1}))
    assert json.loads((await socket.receive_output(2))["text"])["response_status"] == 403
    await socket.disconnect()
