"""`sockets` beside apps whose tables are in another database, or before it is migrated."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import path

from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket

from .scripts import run_script

SETTINGS = """
import sys, django
from django.conf import settings

class Router:
    def home(self, app):
        return "second" if app in sys.argv[1].split(",") else "default"
    def db_for_read(self, model, **hints):
        return self.home(model._meta.app_label)
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints):
        return db == self.home(app_label) and app_label not in sys.argv[2:]

MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(
    SECRET_KEY="x",
    USE_TZ=True,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="tests.sockets.urls",
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
        "django.contrib.messages", "django.contrib.sessions", "rest_channels", "sockets",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }],
    STATIC_URL="/static/",
    DATABASES={"default": MEMORY, "second": MEMORY},
    DATABASE_ROUTERS=[Router()],
)
django.setup()
from django.core.management import call_command
for alias in ("default", "second"):
    call_command("migrate", database=alias, verbosity=0)
from datetime import timedelta
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from sockets.models import Socket
root = User.objects.create_superuser("root")
site = Client()
"""

USE_THE_SITE = """
site.force_login(root)
site.get("/admin/")
site.logout()
for number in range(3):
    SessionStore().create()
Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
call_command("clearsessions")
User.objects.create_user("bob").delete()
User.objects.create_user("eve")
User.objects.filter(username="eve").delete()
print(Session.objects.count(), User.objects.count())
"""


@pytest.mark.programs
@pytest.mark.parametrize(
    "arguments",
    [
        ["sessions"],
        ["sockets"],
        ["auth,contenttypes,admin"],
        ["", "sockets"],
        ["sockets", "sockets"],
    ],
)
def test_login_logout_clearsessions_and_deleted_users_never_fail(arguments) -> None:
    assert run_script(SETTINGS + USE_THE_SITE, *arguments) == "0 1\n"


ROWS = """
bob = User.objects.create_user("bob")
store = SessionStore()
store.create()
row = Socket.objects.create(
    user=bob, session_id=store.session_key, channel_name="bot-1", path="/", node_id="n-1"
)
row = Socket.objects.get()
print(row.user, row.session.pk == store.session_key, row.node, [*Socket.objects.users()])
site.force_login(root)
print(site.get("/admin/sockets/socket/?q=1&o=1").status_code)
print(site.get(f"/admin/sockets/socket/{row.pk}/change/").status_code)
print([row.path for row in bob.socket_set.all()], Socket.objects.filter(user=bob).count())
store.delete()
print(Socket.objects.count())
Socket.objects.create(user=bob, channel_name="bot-2", path="/")
User.objects.filter(username="bob").delete()
print(Socket.objects.count())
"""


@pytest.mark.programs
@pytest.mark.parametrize("elsewhere", ["", "sessions", "sockets", "auth,contenttypes,admin"])
def test_rows_refer_to_sessions_and_users_of_another_database(elsewhere) -> None:
    printed = run_script(SETTINGS + ROWS, elsewhere)
    assert printed.splitlines() == [
        "bob True n-1 [<User: bob>]",
        "200",
        "200",
        "['/'] 1",
        "0",
        "0",
    ]


@pytest.mark.django_db
def test_a_rolled_back_deletion_keeps_the_rows() -> None:
    from django.db import transaction

    ada = User.objects.create_user("ada")
    Socket.objects.create(user=ada, channel_name="bot-1", path="/")
    with transaction.atomic():
        ada.delete()
        assert not Socket.objects.exists()
        transaction.set_rollback(True)
    assert Socket.objects.exists()


@pytest.mark.django_db
def test_a_row_whose_user_and_session_are_gone_has_none() -> None:
    row = Socket.objects.create(user_id=77, session_id="gone", channel_name="bot-1", path="/")
    row = Socket.objects.get(pk=row.pk)
    assert (row.user, row.session, str(row)) == (None, None, "anonymous@/ (inactive)")


@pytest.mark.django_db
def test_the_table_has_no_constraint_that_a_deletion_could_break() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "sockets_socket")
    assert not [name for name, about in constraints.items() if about["foreign_key"]]


class Handler(RoutedSocketHandler):
    """A handler that adds nothing."""


@pytest.mark.django_db(transaction=True)
async def test_a_live_row_has_a_node_before_the_first_heartbeat() -> None:
    application = SocketApplication([path("", Handler.as_asgi())])
    async with SocketCommunicator(application, "/"):
        row = await Socket.objects.aget()
        assert (await Socket.objects.select_related("node").aget()).node_id == row.node_id
        node = await _related(row, "node")
        assert (node.pk, str(node)) == (row.node_id, row.node_id)


async def _related(row, name):
    from asgiref.sync import sync_to_async

    return await sync_to_async(getattr)(row, name)


@pytest.mark.django_db
def test_the_admin_shows_the_node_at_once(admin_client) -> None:
    row = Socket.objects.create(channel_name="a", path="/", node_id="3f9a0c1b2d-1")
    page = admin_client.get(f"/admin/sockets/socket/{row.pk}/change/")
    assert "3f9a0c1b2d-1" in page.content.decode()
