"""A consumer decides as DRF's `ModelViewSet` with the same permission classes.

Every class is checked for every user, action and object: over a WebSocket by a consumer, over
HTTP by a viewset. The two have to agree on the status, and on the message of a refusal. The message
for a missing row is each framework's own.
"""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser, Permission, User
from rest_framework import permissions as drf
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.viewsets import ModelViewSet

from rest_channels import permissions as ours
from rest_channels.consumers import ModelConsumer
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class OwnRows(BaseBackend):
    """Object permissions: users may view and change their own row; staff may view all rows."""

    def has_perm(self, user_obj, perm, obj=None):
        if obj is None or not user_obj.is_authenticated:
            return False
        if obj == user_obj:
            return perm in ("auth.view_user", "auth.change_user")
        return user_obj.is_staff and perm == "auth.view_user"


# The permission classes.


class OwnOnly(drf.BasePermission):
    message = "This is somebody else's."
    code = "not_yours"

    def has_object_permission(self, request, view, obj):
        return obj == request.user


class ReadOnly(drf.BasePermission):
    message = "Look, do not touch."

    def has_permission(self, request, view):
        return request.method in drf.SAFE_METHODS


class NoPuts(drf.BasePermission):
    def has_permission(self, request, view):
        return request.method != "PUT"


class NotTheLast(drf.BasePermission):
    """Queries the rows of the view."""

    def has_permission(self, request, view):
        return request.method != "DELETE" or view.get_queryset().count() > 1

    def has_object_permission(self, request, view, obj):
        return view.get_queryset().exclude(pk=obj.pk).exists()


class StaffChange(drf.BasePermission):
    """Reads `view.action`, with the names that viewsets have."""

    def has_permission(self, request, view):
        changing = ("create", "update", "partial_update", "destroy")
        return view.action not in changing or request.user.is_staff

    def has_object_permission(self, request, view, obj):
        return view.action != "destroy" or obj != request.user


class ByKey(drf.BasePermission):
    """Reads the key of the path from `view.kwargs`."""

    def has_permission(self, request, view):
        return view.kwargs.get("pk") == str(request.user.pk) or not view.kwargs

    def has_object_permission(self, request, view, obj):
        return view.kwargs == {"pk": str(obj.pk)}


class Hidden(drf.DjangoObjectPermissions):
    """Reading needs a permission as well; without it the row is a 404."""

    perms_map = {
        **drf.DjangoObjectPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
    }


SAME = {
    "nothing": [],
    "AllowAny": [drf.AllowAny],
    "IsAuthenticated": [drf.IsAuthenticated],
    "IsAdminUser": [drf.IsAdminUser],
    "IsAuthenticatedOrReadOnly": [drf.IsAuthenticatedOrReadOnly],
    "DjangoModelPermissions": [drf.DjangoModelPermissions],
    "DjangoModelPermissionsOrAnonReadOnly": [drf.DjangoModelPermissionsOrAnonReadOnly],
    "DjangoObjectPermissions": [drf.DjangoObjectPermissions],
    "Hidden": [Hidden],
    "OwnOnly": [OwnOnly],
    "ReadOnly": [ReadOnly],
    "NoPuts": [NoPuts],
    "NotTheLast": [NotTheLast],
    "StaffChange": [StaffChange],
    "ByKey": [ByKey],
    "by action and key": [StaffChange & ByKey],
    "by action or key": [~StaffChange | ByKey],
    "two": [drf.IsAuthenticated, OwnOnly],
    "two, the stricter last": [drf.IsAuthenticatedOrReadOnly, drf.DjangoModelPermissions],
    "and": [drf.IsAuthenticated & OwnOnly],
    "or": [drf.IsAdminUser | OwnOnly],
    "or, only reading": [drf.IsAdminUser | ReadOnly],
    "not": [~ReadOnly],
    "not, about an object": [~OwnOnly],
    "not somebody": [~drf.IsAuthenticated],
    "and not": [drf.IsAuthenticated & ~drf.IsAdminUser],
    "and (or)": [drf.IsAuthenticated & (OwnOnly | drf.DjangoModelPermissions)],
    "or (and)": [ReadOnly | (drf.IsAdminUser & OwnOnly)],
    "not (or)": [~(drf.IsAdminUser | OwnOnly)],
    "not (and)": [~(drf.IsAuthenticated & OwnOnly)],
    "or of models": [drf.DjangoModelPermissions | OwnOnly],
    "or of objects": [Hidden | drf.IsAdminUser],
    "or of objects, which the first decides": [NoPuts | Hidden],
    "and of objects, which the first decides": [OwnOnly & Hidden],
    "and of objects": [Hidden & NoPuts],
    "three": [drf.IsAuthenticated, NoPuts | drf.IsAdminUser, ~OwnOnly | drf.IsAdminUser],
}
"""The same classes for both."""


class ByScope(ours.BasePermission):
    """`ReadOnly`, as a class of djangochannelsrestframework."""

    message = "Look, do not touch."

    async def has_permission(self, scope, consumer, action, **kwargs):
        return action in ("list", "retrieve")

    async def can_connect(self, scope, consumer, message=None):
        return True


MIXED = {
    "ours alone": ([ours.IsAuthenticated], [drf.IsAuthenticated]),
    "ours by scope": ([ByScope], [ReadOnly]),
    "ours & DRF's": (
        [ours.IsAuthenticated & drf.IsAdminUser],
        [drf.IsAuthenticated & drf.IsAdminUser],
    ),
    "DRF's & ours": (
        [drf.IsAdminUser & ours.IsAuthenticated],
        [drf.IsAdminUser & drf.IsAuthenticated],
    ),
    "ours | about objects": ([ByScope | OwnOnly], [ReadOnly | OwnOnly]),
    "about objects | ours": ([OwnOnly | ByScope], [OwnOnly | ReadOnly]),
    "ours & (DRF's | ours)": (
        [ours.IsAuthenticated & (drf.DjangoModelPermissions | ByScope)],
        [drf.IsAuthenticated & (drf.DjangoModelPermissions | ReadOnly)],
    ),
}
"""This library's classes and trees with DRF's, and the DRF classes that do the same."""

CLASSES = {name: (classes, classes) for name, classes in SAME.items()} | MIXED

USERS = ["anonymous", "plain", "staff", "root", "adder", "changer", "deleter", "viewer"]
DETAIL = {"retrieve": "get", "update": "put", "patch": "patch", "delete": "delete"}
METHODS = {"list": "get", "create": "post", **DETAIL}
VIEWSET = {"patch": "partial_update", "delete": "destroy"}
CASES = [("list", None), ("create", None)] + [
    (action, whose) for action in DETAIL for whose in ("own", "other's", "nobody's")
]


# Consumer and viewset. Permitted actions change nothing, so each case sees the same table.


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


DATA = {"username": "new"}


class Consumer(ModelConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer
    authentication_classes = []

    async def get_permissions(self, action, **kwargs):
        """Accept every connection, so that every action is checked."""
        return [] if action == "connect" else await super().get_permissions(action)

    def perform_create(self, serializer, **kwargs):
        pass

    perform_update = perform_patch = perform_delete = perform_create


class ViewSet(ModelViewSet):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer
    authentication_classes = []

    def perform_create(self, serializer):
        pass

    perform_update = perform_destroy = perform_create


@pytest.fixture(autouse=True)
def people(settings):
    """Create a user of each kind."""
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        f"{__name__}.OwnRows",
    ]
    for name in USERS[1:]:
        kind = {"is_staff": name in ("staff", "root"), "is_superuser": name == "root"}
        user = User.objects.create(username=name, **kind)
        codename = {"adder": "add", "changer": "change", "deleter": "delete", "viewer": "view"}
        for verb in [codename[name]] if name in codename else []:
            user.user_permissions.add(Permission.objects.get(codename=f"{verb}_user"))


def user_named(name):
    """Return a user without cached permissions."""
    return AnonymousUser() if name == "anonymous" else User.objects.get(username=name)


def row(whose, user):
    """Return the key of a row: the user's own, another's, or a missing one."""
    if whose == "nobody's":
        return 0
    if whose == "own" and user.pk:
        return user.pk
    return User.objects.exclude(pk=user.pk).earliest("pk").pk


def by_http(classes, name):
    """Return the viewset's status and refusal message, by case."""

    class Guarded(ViewSet):
        permission_classes = classes

    answers = {}
    for action, whose in CASES:
        user = user_named(name)
        request = getattr(APIRequestFactory(), METHODS[action])("/", DATA, format="json")
        force_authenticate(request, None if name == "anonymous" else user)
        view = Guarded.as_view({METHODS[action]: VIEWSET.get(action, action)})
        response = view(request, **({"pk": str(row(whose, user))} if whose else {}))
        answers[action, whose] = (
            response.status_code,
            refusal_message(response.status_code, response.data),
        )
    return answers


async def by_socket(classes, name):
    """Return the consumer's status and refusal message, by case."""
    guarded = type("Guarded", (Consumer,), {"permission_classes": classes})
    answers = {}
    user = await sync_to_async(user_named)(name)
    async with SocketCommunicator(guarded.as_asgi(), user=user, dialect="action") as socket:
        for action, whose in CASES:
            where = {"pk": await sync_to_async(row)(whose, user)} if whose else {}
            await socket.send_json({"action": action, "data": DATA, **where})
            frame = await socket.receive_json()
            status = frame["response_status"]
            answers[action, whose] = status, refusal_message(status, *frame["errors"])
    return answers


def refusal_message(status, detail=None):
    """Return the message of a refusal as text."""
    if status not in (401, 403):
        return None
    return str(detail["detail"] if isinstance(detail, dict) else detail)


@pytest.mark.parametrize("classes", CLASSES)
async def test_a_consumer_and_a_viewset_give_the_same_answers(classes) -> None:
    over_socket, over_http = CLASSES[classes]
    for name in USERS:
        answers = await by_socket(over_socket, name)
        assert (name, answers) == (name, await sync_to_async(by_http)(over_http, name))


@pytest.mark.parametrize("classes", SAME)
async def test_a_client_may_connect_exactly_if_it_may_list(classes) -> None:
    body = {"permission_classes": SAME[classes], "get_permissions": ModelConsumer.get_permissions}
    guarded = type("Guarded", (Consumer,), body)
    for name in USERS:
        user = await sync_to_async(user_named)(name)
        socket = SocketCommunicator(guarded.as_asgi(), user=user)
        status, _message = (await sync_to_async(by_http)(SAME[classes], name))["list", None]
        assert (name, (await socket.connect())[0]) == (name, status == 200)
        await socket.disconnect()


async def test_the_comparison_has_many_cases_and_every_answer_occurs() -> None:
    assert len(CLASSES) * len(USERS) * len(CASES) > 4_000
    answers = set()
    for classes in ("Hidden", "OwnOnly", "DjangoModelPermissions"):
        for name in USERS:
            answers |= set((await by_socket(SAME[classes], name)).values())
    assert {status for status, _message in answers} == {200, 201, 204, 403, 404}
    assert "This is somebody else's." in {message for _status, message in answers}
