"""The tenants of the tests: a partition in a context variable, as a schema or a database."""

from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from django.db import connections
from django.db.backends.signals import connection_created

from rest_channels.decorators import action
from rest_channels.partitions import Partition
from rest_channels.testing import SocketCommunicator

NAMES = ("ada", "bob")

tenant: ContextVar[str] = ContextVar("tenant", default="public")


@contextmanager
def in_tenant(name):
    token = tenant.set(name)
    try:
        yield
    finally:
        tenant.reset(token)


class Tenants(Partition):
    """Tells tenants apart by the context variable, which a middleware sets."""

    def of_connection(self, scope):
        return tenant.get()

    def of_change(self, using):
        return tenant.get()

    def activate(self, partition):
        return in_tenant(partition)


def of_tenant(application, name):
    """Return a middleware that serves all connections as those of one tenant."""

    async def middleware(scope, receive, send):
        with in_tenant(name):
            await application(scope, receive, send)

    return middleware


def use_schema(execute, sql, params, many, context):
    """Run a statement in the schema of the tenant."""
    with context["connection"].cursor().cursor as cursor:
        cursor.execute(f'SET search_path TO "{tenant.get()}", public')
    return execute(sql, params, many, context)


def wrap_connection(connection, **kwargs):
    """Receive `connection_created`: all statements of the connection see the tenant's schema."""
    if connection.alias == SchemaRouter.alias:
        connection.execute_wrappers.append(use_schema)


class SchemaRouter:
    """Reads and writes in one database, whose schema is that of the tenant."""

    alias = "postgresql"
    labels = ("observer.Comment",)

    def db_for_read(self, model, **hints):
        return self.alias if model._meta.label in self.labels else None

    db_for_write = db_for_read


class AccountRouter(SchemaRouter):
    """Each tenant has users and tokens of its own. All share the tables of sockets."""

    labels = ("auth.User", "observer.Tag", "sockets.Socket", "sockets.Node")


@contextmanager
def schemas_with(alias, *models):
    """One schema of PostgreSQL for each tenant, with the tables of `models`."""
    with connections[alias].cursor() as cursor:
        for name in NAMES:
            cursor.execute(f'CREATE SCHEMA "{name}"')
            for model in models:
                table = model._meta.db_table
                cursor.execute(f'CREATE TABLE "{name}".{table} (LIKE public.{table} INCLUDING ALL)')
    connections[alias].close()
    connection_created.connect(wrap_connection)
    try:
        yield alias
    finally:
        connection_created.disconnect(wrap_connection)
        connections[alias].close()
        connections[alias].execute_wrappers.clear()
        with connections[alias].cursor() as cursor:
            for name in NAMES:
                cursor.execute(f'DROP SCHEMA "{name}" CASCADE')


class DatabaseRouter:
    """Reads and writes in the database of the tenant."""

    aliases = {"ada": "default", "bob": "other"}
    label = "observer.Country"

    def db_for_read(self, model, **hints):
        return self.aliases.get(tenant.get()) if model._meta.label == self.label else None

    db_for_write = db_for_read


class UserDatabaseRouter(DatabaseRouter):
    """Each tenant has users of its own, in its database."""

    label = "auth.User"


class Following:
    @action()
    async def follow(self, request_id, **kwargs):
        await self.every.subscribe(request_id=request_id)
        return None, 201


@asynccontextmanager
async def clients(application, dialect="action"):
    """Two clients, one of each tenant."""
    ada, bob = (
        SocketCommunicator(of_tenant(application.as_asgi(), name), dialect=dialect)
        for name in NAMES
    )
    async with ada, bob:
        yield ada, bob


async def subscribe(name, *sockets, **arguments):
    for socket in sockets:
        await socket.expect_reply(await socket.call(name, **arguments), response_status=201)
