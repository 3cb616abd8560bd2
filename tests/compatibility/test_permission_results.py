"""A consumer and DRF's `ModelViewSet` give the same results with the same permission classes.

The tests check every class for every user, action and object, with a consumer over a WebSocket and
with a viewset over HTTP. Both must return the same status and, if permission is denied, the same
message. For a missing row each framework has its own message.
"""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser, Permission, User
from rest_framework import permissions as drf
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.viewsets import ModelViewSet

from rest_channels import permissions as library_permissions
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


class IsSelf(drf.BasePermission):
    message = "This row belongs to another user."
    code = "not_owner"

    def has_object_permission(self, request, view, obj):
        return obj == request.user


class ReadOnly(drf.BasePermission):
    message = "You may only read."

    def has_permission(self, request, view):
        return request.method in drf.SAFE_METHODS


class ForbidPut(drf.BasePermission):
    def has_permission(self, request, view):
        return request.method != "PUT"


class NotTheLast(drf.BasePermission):
    """Queries the rows of the view."""

    def has_permission(self, request, view):
        return request.method != "DELETE" or view.get_queryset().count() > 1

    def has_object_permission(self, request, view, obj):
        return view.get_queryset().exclude(pk=obj.pk).exists()


class OnlyStaffMayChange(drf.BasePermission):
    """Reads `view.action`, with the names that viewsets have."""

    def has_permission(self, request, view):
        changing = ("create", "update", "partial_update", "destroy")
        return view.action not in changing or request.user.is_staff

    def has_object_permission(self, request, view, obj):
        return view.action != "destroy" or obj != request.user


class MatchingKey(drf.BasePermission):
    """Reads the key of the path from `view.kwargs`."""

    def has_permission(self, request, view):
        return view.kwargs.get("pk") == str(request.user.pk) or not view.kwargs

    def has_object_permission(self, request, view, obj):
        return view.kwargs == {"pk": str(obj.pk)}


class ViewPermissionRequired(drf.DjangoObjectPermissions):
    """Reading needs a permission too. Without it the row is answered with 404."""

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
    "ViewPermissionRequired": [ViewPermissionRequired],
    "IsSelf": [IsSelf],
    "ReadOnly": [ReadOnly],
    "ForbidPut": [ForbidPut],
    "NotTheLast": [NotTheLast],
    "OnlyStaffMayChange": [OnlyStaffMayChange],
    "MatchingKey": [MatchingKey],
    "by action and key": [OnlyStaffMayChange & MatchingKey],
    "by action or key": [~OnlyStaffMayChange | MatchingKey],
    "two": [drf.IsAuthenticated, IsSelf],
    "two, the stricter last": [drf.IsAuthenticatedOrReadOnly, drf.DjangoModelPermissions],
    "and": [drf.IsAuthenticated & IsSelf],
    "or": [drf.IsAdminUser | IsSelf],
    "or, only reading": [drf.IsAdminUser | ReadOnly],
    "not": [~ReadOnly],
    "not, about an object": [~IsSelf],
    "not authenticated": [~drf.IsAuthenticated],
    "and not": [drf.IsAuthenticated & ~drf.IsAdminUser],
    "and (or)": [drf.IsAuthenticated & (IsSelf | drf.DjangoModelPermissions)],
    "or (and)": [ReadOnly | (drf.IsAdminUser & IsSelf)],
    "not (or)": [~(drf.IsAdminUser | IsSelf)],
    "not (and)": [~(drf.IsAuthenticated & IsSelf)],
    "or of models": [drf.DjangoModelPermissions | IsSelf],
    "or of objects": [ViewPermissionRequired | drf.IsAdminUser],
    "or of objects, decided by the first": [ForbidPut | ViewPermissionRequired],
    "and of objects, decided by the first": [IsSelf & ViewPermissionRequired],
    "and of objects": [ViewPermissionRequired & ForbidPut],
    "three": [drf.IsAuthenticated, ForbidPut | drf.IsAdminUser, ~IsSelf | drf.IsAdminUser],
}
"""Permission classes that the consumer and the viewset share."""


class ByScope(library_permissions.BasePermission):
    """`ReadOnly`, as a class of djangochannelsrestframework."""

    message = "You may only read."

    async def has_permission(self, scope, consumer, action, **kwargs):
        return action in ("list", "retrieve")

    async def can_connect(self, scope, consumer, message=None):
        return True


MIXED = {
    "library alone": ([library_permissions.IsAuthenticated], [drf.IsAuthenticated]),
    "library by scope": ([ByScope], [ReadOnly]),
    "library & DRF": (
        [library_permissions.IsAuthenticated & drf.IsAdminUser],
        [drf.IsAuthenticated & drf.IsAdminUser],
    ),
    "DRF & library": (
        [drf.IsAdminUser & library_permissions.IsAuthenticated],
        [drf.IsAdminUser & drf.IsAuthenticated],
    ),
    "library | object": ([ByScope | IsSelf], [ReadOnly | IsSelf]),
    "object | library": ([IsSelf | ByScope], [IsSelf | ReadOnly]),
    "library & (DRF | library)": (
        [library_permissions.IsAuthenticated & (drf.DjangoModelPermissions | ByScope)],
        [drf.IsAuthenticated & (drf.DjangoModelPermissions | ReadOnly)],
    ),
}
"""Classes of this library, alone and combined with DRF's, and the equal DRF classes."""

CLASSES = {name: (classes, classes) for name, classes in SAME.items()} | MIXED

USERS = ["anonymous", "plain", "staff", "root", "adder", "changer", "deleter", "viewer"]
DETAIL = {"retrieve": "get", "update": "put", "patch": "patch", "delete": "delete"}
METHODS = {"list": "get", "create": "post", **DETAIL}
VIEWSET = {"patch": "partial_update", "delete": "destroy"}
CASES = [("list", None), ("create", None)] + [
    (action, owner) for action in DETAIL for owner in ("self", "other", "missing")
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
def users(settings):
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


def row(owner, user):
    """Return the key of a row of the user or of another user, or the key of a missing row."""
    if owner == "missing":
        return 0
    if owner == "self" and user.pk:
        return user.pk
    return User.objects.exclude(pk=user.pk).earliest("pk").pk


def results_over_http(classes, name, cases=CASES):
    """Return the viewset's status and message of a denied permission, by case."""

    class Guarded(ViewSet):
        permission_classes = classes

    answers = {}
    for action, owner in cases:
        user = user_named(name)
        request = getattr(APIRequestFactory(), METHODS[action])("/", DATA, format="json")
        force_authenticate(request, None if name == "anonymous" else user)
        view = Guarded.as_view({METHODS[action]: VIEWSET.get(action, action)})
        response = view(request, **({"pk": str(row(owner, user))} if owner else {}))
        answers[action, owner] = (
            response.status_code,
            denial_message(response.status_code, response.data),
        )
    return answers


async def results_over_socket(classes, name):
    """Return the consumer's status and message of a denied permission, by case."""
    guarded = type("Guarded", (Consumer,), {"permission_classes": classes})
    answers = {}
    user = await sync_to_async(user_named)(name)
    async with SocketCommunicator(guarded.as_asgi(), user=user, dialect="action") as socket:
        for action, owner in CASES:
            where = {"pk": await sync_to_async(row)(owner, user)} if owner else {}
            await socket.send_json({"action": action, "data": DATA, **where})
            frame = await socket.receive_json()
            status = frame["response_status"]
            answers[action, owner] = status, denial_message(status, *frame["errors"])
    return answers


def denial_message(status, detail=None):
    """Return the message of a denied permission as text."""
    if status not in (401, 403):
        return None
    return str(detail["detail"] if isinstance(detail, dict) else detail)


@pytest.mark.parametrize("classes", CLASSES)
async def test_a_consumer_and_a_viewset_give_the_same_answers(classes) -> None:
    over_socket, over_http = CLASSES[classes]
    for name in USERS:
        answers = await results_over_socket(over_socket, name)
        assert (name, answers) == (name, await sync_to_async(results_over_http)(over_http, name))


@pytest.mark.parametrize("classes", SAME)
async def test_a_client_may_connect_if_and_only_if_it_may_list(classes) -> None:
    body = {"permission_classes": SAME[classes], "get_permissions": ModelConsumer.get_permissions}
    guarded = type("Guarded", (Consumer,), {**body, "refuse_after_accepting": False})
    for name in USERS:
        user = await sync_to_async(user_named)(name)
        socket = SocketCommunicator(guarded.as_asgi(), user=user)
        answers = await sync_to_async(results_over_http)(SAME[classes], name, [("list", None)])
        status, _message = answers["list", None]
        assert (name, (await socket.connect())[0]) == (name, status == 200)
        await socket.disconnect()


async def test_the_comparison_has_many_cases_and_contains_every_status() -> None:
    assert len(CLASSES) * len(USERS) * len(CASES) > 4_000
    answers = set()
    for classes in ("ViewPermissionRequired", "IsSelf", "DjangoModelPermissions"):
        for name in USERS:
            answers |= set((await results_over_socket(SAME[classes], name)).values())
    assert {status for status, _message in answers} == {200, 201, 204, 403, 404}
    assert "This row belongs to another user." in {message for _status, message in answers}
