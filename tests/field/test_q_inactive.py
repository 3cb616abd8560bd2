"""Whether a user may stay logged in is decided by what has logged the user in."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import UserManager
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import path
from rest_framework.authentication import SessionAuthentication, TokenAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment, Profile, Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

ALLOW_ALL = "django.contrib.auth.backends.AllowAllUsersModelBackend"


class Plain(SocketConsumer):
    async def receive_json(self, content):
        self.send_json(self.scope["user"].username)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


def consumed(consumer):
    return SocketApplication([path("", consumer.as_asgi())])


def connect(user, consumer=Plain, backend=None):
    """Return a client that has logged `user` in with a page."""
    client = Client()
    client.force_login(user, backend)
    return SocketCommunicator(
        consumed(consumer), headers=[("cookie", f"sessionid={client.session.session_key}")]
    )


def given(user, consumer=Plain):
    """Return a client whose user a middleware has found."""
    return SocketCommunicator(consumer.as_asgi(), user=user)


async def save(user, **columns):
    """Save these columns of another object of the user."""
    row = await User.objects.aget(pk=user.pk)
    for name, value in columns.items():
        setattr(row, name, value)
    await row.asave()


async def update(user, **columns):
    await User.objects.filter(pk=user.pk).aupdate(**columns)
    await check_accounts(current_hub())


async def expect_open(socket):
    await check_accounts(current_hub())
    await socket.send_json(None)
    await socket.expect_event("ada")


changes = pytest.mark.parametrize("change", [save, update])
clients = pytest.mark.parametrize("client", [connect, given])


@changes
@clients
async def test_a_backend_that_allows_inactive_users_keeps_them_connected(
    ada, client, change, settings
) -> None:
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL]
    async with await sync_to_async(client)(ada) as socket:
        await change(ada, is_active=False)
        await expect_open(socket)


@clients
async def test_an_inactive_user_whom_a_backend_has_accepted_stays_connected(
    ada, client, settings
) -> None:
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL]
    await update(ada, is_active=False)
    own = await User.objects.aget()
    async with await sync_to_async(client)(own) as socket:
        await save(ada, first_name="Augusta")
        await expect_open(socket)


@changes
async def test_of_several_backends_the_one_of_the_login_decides(ada, change, settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL, "django.contrib.auth.backends.ModelBackend"]
    strict = settings.AUTHENTICATION_BACKENDS[1]
    async with await sync_to_async(connect)(ada, backend=strict) as socket:
        await change(ada, is_active=False)
        await socket.expect_close(4442)


async def test_an_inactive_user_whom_a_middleware_has_accepted_stays_connected(ada) -> None:
    await update(ada, is_active=False)
    own = await User.objects.aget()
    async with given(own) as socket:
        await expect_open(socket)
        await User.objects.all().adelete()
        await socket.expect_close(4442)


class Strict(AsyncAPIConsumer):
    authentication_classes = [SessionAuthentication]


async def test_an_authenticator_that_refuses_inactive_users_ends_their_connection(
    ada, settings
) -> None:
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL]
    async with await sync_to_async(connect)(ada, Strict) as socket:
        await save(ada, is_active=False)
        await socket.expect_close(4442)


async def test_an_authenticator_that_accepts_an_inactive_user_keeps_it_connected(ada) -> None:
    class Lenient(TokenAuthentication):
        def authenticate_credentials(self, key):
            return User.objects.get(), {"key": key}

    class Tokens(AsyncAPIConsumer):
        authentication_classes = [Lenient]

    await update(ada, is_active=False)
    header = ("authorization", "Token 1")
    async with SocketCommunicator(Tokens.as_asgi(), headers=[header]) as socket:
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_a_handler_that_deactivates_its_own_user_closes_the_connection(ada) -> None:
    class Leaving(SocketConsumer):
        async def receive_json(self, content):
            self.scope["user"].is_active = False
            await self.scope["user"].asave()
            self.scope["auth"] = None  # the identity is looked at again

    async with given(ada, Leaving) as socket:
        await socket.send_json(None)
        await socket.expect_close(4442)


class Themes(ModelBackend):
    """Users with a dark profile may not log in."""

    def user_can_authenticate(self, user):
        return user.profile.theme != "dark"


class Tagged(ModelBackend):
    """Users are known as long as a tag has their name."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        return user if Tag.objects.filter(name=user.username).exists() else None


async def save_profile():
    profile = await Profile.objects.aget()
    profile.theme = "dark"
    await profile.asave()


async def update_profile():
    await Profile.objects.aupdate(theme="dark")
    await check_accounts(current_hub())


async def delete_tag():
    await Tag.objects.all().adelete()
    await check_accounts(current_hub())


@pytest.mark.parametrize(
    ("backend", "end"),
    [("Themes", save_profile), ("Themes", update_profile), ("Tagged", delete_tag)],
)
async def test_an_own_backend_is_asked_whether_its_user_may_stay(
    ada, backend, end, settings
) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend}"]
    await Profile.objects.acreate(user=ada)
    await Tag.objects.acreate(name="ada")
    async with await sync_to_async(connect)(ada) as socket:
        await save(ada, first_name="Augusta")
        await expect_open(socket)
        await end()
        await socket.expect_close(4442)


class Annotating(ModelBackend):
    def get_user(self, user_id):
        user = User.objects.get(pk=user_id)
        user.role = user.profile.theme
        return user


async def test_what_an_own_backend_adds_to_its_user_is_current(ada, settings) -> None:
    class Roles(SocketConsumer):
        async def receive_json(self, content):
            self.send_json(self.scope["user"].role)

    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Annotating"]
    await Profile.objects.acreate(user=ada)
    async with await sync_to_async(connect)(ada, Roles) as socket:
        await save_profile()
        await socket.send_json(None)
        await socket.expect_event("dark")


@clients
async def test_a_user_whose_own_is_active_depends_on_another_row_is_closed(
    ada, client, monkeypatch
) -> None:
    is_active = property(lambda self: self.profile.theme != "dark", lambda self, value: None)
    await Profile.objects.acreate(user=ada)
    monkeypatch.setattr(User, "is_active", is_active)
    for end in (save_profile, update_profile):
        await Profile.objects.aupdate(theme="light")
        async with await sync_to_async(client)(await User.objects.aget()) as socket:
            await expect_open(socket)
            await end()
            await socket.expect_close(4442)


async def test_a_new_row_that_refers_to_the_user_may_end_its_connection(ada, monkeypatch) -> None:
    is_active = property(lambda self: not self.comments.exists(), lambda self, value: None)
    monkeypatch.setattr(User, "is_active", is_active)
    async with given(ada) as socket:
        await expect_open(socket)
        await Comment.objects.acreate(user=ada, text="banned")
        await socket.send_json(None)
        await socket.expect_close(4442)


async def test_a_proxy_whose_is_active_is_computed_is_asked(ada) -> None:
    class Reader(User):
        class Meta:
            proxy = True
            app_label = "observer"

        is_active = property(lambda self: self.last_name != "gone", lambda self, value: None)

    own = await sync_to_async(Reader.objects.get)()
    async with given(own) as socket:
        await expect_open(socket)
        await save(ada, last_name="gone")
        await socket.expect_close(4442)


class Emails:
    """The hash of a login depends on the address of its user."""

    @staticmethod
    def hash(user):
        return f"hash of {user.email}"


class Related:
    """The hash of a login depends on a related row."""

    @staticmethod
    def hash(user):
        return f"hash of {user.profile.theme}"


async def change_email(ada):
    await save(ada, email="a@example.com")


async def update_email(ada):
    await update(ada, email="a@example.com")


async def change_theme(ada):
    await save_profile()


async def update_theme(ada):
    await update_profile()


@clients
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Emails, change_email),
        (Emails, update_email),
        (Related, change_theme),
        (Related, update_theme),
    ],
)
async def test_another_hash_of_the_login_closes_the_connection(
    ada, client, kind, change, monkeypatch
) -> None:
    monkeypatch.setattr(User, "get_session_auth_hash", kind.hash)
    monkeypatch.setattr(User, "get_session_auth_fallback_hash", lambda user: [])
    await Profile.objects.acreate(user=ada)
    async with await sync_to_async(client)(await User.objects.aget()) as socket:
        await save(ada, first_name="Augusta")
        await expect_open(socket)
        await change(ada)
        await socket.expect_close(4441)


async def test_a_hash_of_a_former_secret_is_accepted(ada, monkeypatch) -> None:
    monkeypatch.setattr(User, "get_session_auth_hash", lambda user: "new")
    monkeypatch.setattr(User, "get_session_auth_fallback_hash", lambda user: ["old"])

    def log_in():
        client = Client()
        client.force_login(ada)
        session = client.session
        session[HASH_SESSION_KEY] = "old"
        session.save()
        header = ("cookie", f"sessionid={session.session_key}")
        return SocketCommunicator(consumed(Plain), headers=[header])

    async with await sync_to_async(log_in)() as socket:
        await expect_open(socket)


async def test_a_user_whom_the_default_manager_hides_is_closed(ada, monkeypatch) -> None:
    class Known(UserManager):
        def get_queryset(self):
            return super().get_queryset().exclude(last_name="removed")

    async with await sync_to_async(connect)(ada) as socket:
        manager = Known()
        manager.model = User  # contribute_to_class would add it for all later tests
        monkeypatch.setitem(vars(User._meta), "default_manager", manager)
        await expect_open(socket)
        await User.objects.aupdate(last_name="removed")
        await check_accounts(current_hub())
        await socket.expect_close(4442)


async def test_a_user_of_another_database_is_read_there(ada) -> None:
    own = await sync_to_async(User.objects.using("other").create)(username="ada", pk=ada.pk + 7)
    async with given(own) as socket:
        await expect_open(socket)
        other = User.objects.using("other").filter(pk=own.pk)
        row = await other.aget()
        row.username = "grace"
        await row.asave()
        await socket.send_json(None)
        await socket.expect_event("grace")
        await other.adelete()
        await socket.expect_close(4442)


async def test_the_end_of_a_user_leaves_that_of_another_database_connected(ada) -> None:
    own = await sync_to_async(User.objects.using("other").create)(username="ada", pk=ada.pk)
    async with given(own) as socket:
        await save(ada, is_active=False)
        await ada.adelete()
        await expect_open(socket)


async def test_a_session_without_a_login_lets_the_columns_decide(ada) -> None:
    session = SessionStore()
    await sync_to_async(session.create)()
    socket = SocketCommunicator(Plain.as_asgi(), user=ada, session=session)
    async with socket:
        await expect_open(socket)
        await save(ada, is_active=False)
        await socket.expect_close(4442)
