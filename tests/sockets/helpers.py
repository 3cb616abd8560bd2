"""Helpers of the tests of `sockets`."""

from sockets.models import Socket


def create_socket(number=1, **fields) -> Socket:
    """Create a row of a connection to a node that does not run here."""
    fields = {"channel_name": f"00000000aa-1.{number:x}", "path": "/game/1/", **fields}
    return Socket.objects.create(**fields)
