from contextlib import contextmanager
from contextvars import ContextVar

from rest_channels.partitions import Partition

tenant = ContextVar("tenant", default="public")


class Tenants(Partition):
    def of_connection(self, scope):
        return tenant.get()

    def of_change(self, using):
        return tenant.get()

    @contextmanager
    def activate(self, partition):
        token = tenant.set(partition)
        try:
            yield
        finally:
            tenant.reset(token)


def tenant_middleware(application):
    async def middleware(scope, receive, send):
        if scope["type"] != "lifespan":
            host = dict(scope["headers"])[b"host"].decode()
            tenant.set(host.partition(".")[0])
        await application(scope, receive, send)

    return middleware
