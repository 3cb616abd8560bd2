"""A database row for every open connection: its user, path, IP address and start time.

    Socket.objects.filter(user__groups__name="staff").send_action("CHAT", text="hello")
    Socket.objects.online().filter(path="/game/1/").users()

`presence` creates and deletes the rows, and `address_list` sends messages to their connections.
"""

from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from rest_channels.exceptions import CloseCode
from rest_channels.groups import Channel

from .address_list import AddressList
from .constants import PATH_LENGTH, PING
from .leases import lease_cutoff
from .relations import OptionalForeignKey, share_database

__all__ = ["Node", "Socket", "SocketQuerySet", "delete_rows"]


class SocketCommands:
    """The methods of both a `Socket` and a queryset. Each has an awaitable `a…` twin.

    Methods that send return the number of sockets addressed. Messages to connections that have
    ended are dropped. A broker failure is logged and raises no error.
    """

    def _rows(self) -> "SocketQuerySet":
        raise NotImplementedError

    def _addresses(self) -> AddressList:
        raise NotImplementedError

    # Sending.

    def send_str(self, text: str) -> int:
        """Send `text` unchanged."""
        addresses = self._addresses()
        addresses.send_str(text)
        return len(addresses)

    def send_json(self, content: dict[str, Any]) -> int:
        """Send `content` as JSON, with a `TIMESTAMP` (milliseconds since 1970, as text)."""
        addresses = self._addresses()
        addresses.send_json(content)
        return len(addresses)

    def send_action(self, type: str, /, **kwargs: Any) -> int:
        """Send `{**kwargs, "type": type}`."""
        return self.send_json({**kwargs, "type": type})

    def disconnect(self, code: int = CloseCode.REVOKED, reason: str = "") -> int:
        """Close the connections with a close `code` and a `reason` of at most 123 bytes.

        Raise `ValueError` if `code` is not a valid close code.
        """
        addresses = self._addresses()
        addresses.disconnect(code, reason)
        return len(addresses)

    def group(self) -> AddressList:
        """Return the connections open now, with the `send({"text": …})` of Channels 1."""
        return self._addresses()

    async def asend_str(self, text: str) -> int:
        return await sync_to_async(self.send_str)(text)

    async def asend_json(self, content: dict[str, Any]) -> int:
        return await sync_to_async(self.send_json)(content)

    async def asend_action(self, type: str, /, **kwargs: Any) -> int:
        return await self.asend_json({**kwargs, "type": type})

    async def adisconnect(self, code: int = CloseCode.REVOKED, reason: str = "") -> int:
        return await sync_to_async(self.disconnect)(code, reason)

    async def agroup(self) -> AddressList:
        return await sync_to_async(self.group)()

    # Heartbeats of clients.

    def mark_active(self) -> int:
        """Mark the rows as active, with `last_ping` now. Return their number."""
        return self._rows().update(active=True, last_ping=timezone.now())

    def mark_inactive(self) -> int:
        """Mark the rows as inactive. Return their number."""
        return self._rows().update(active=False)

    def cleanup_stale(self) -> int:
        """Send a PING, and mark the rows as inactive until their clients answer."""
        addresses = self._addresses()
        self.mark_inactive()
        addresses.send_json({"type": PING})
        return len(addresses)

    async def amark_active(self) -> int:
        return await sync_to_async(self.mark_active)()

    async def amark_inactive(self) -> int:
        return await sync_to_async(self.mark_inactive)()

    async def acleanup_stale(self) -> int:
        return await sync_to_async(self.cleanup_stale)()


class SocketQuerySet(SocketCommands, models.QuerySet["Socket", "Socket"]):
    """Sockets to filter and to send to. Sending costs one query."""

    def online(self) -> "SocketQuerySet":
        """Return the sockets of live server processes, and all bots, which have no process."""
        cutoff = lease_cutoff()
        if cutoff is None:
            return self
        on_living_node = models.Q(node__in=Node.objects.filter(seen__gt=cutoff))
        return self.filter(models.Q(node=None) | models.Q(connected_at__gt=cutoff) | on_living_node)

    def left_behind(self) -> "SocketQuerySet":
        """Return the sockets of dead server processes."""
        cutoff = lease_cutoff()
        if cutoff is None:
            return self.none()
        on_living_node = models.Q(node__in=Node.objects.filter(seen__gt=cutoff))
        return self.filter(~on_living_node, node__isnull=False, connected_at__lte=cutoff)

    def users(self) -> models.QuerySet[Any, Any]:
        """Return the users of these sockets, each once."""
        user_pks: Any = self.filter(user__isnull=False).values_list("user", flat=True)
        if not share_database(self.model, get_user_model()):
            user_pks = list(user_pks.distinct())
        return get_user_model()._default_manager.filter(pk__in=user_pks)

    def purge_inactive(self, in_last_mins: float = 5) -> int:
        """Delete inactive rows without a ping for `in_last_mins` minutes, and return their number.

        The row of a connection that is still open is restored at the next heartbeat.
        """
        since = timezone.now() - timedelta(minutes=in_last_mins)
        silent = models.Q(last_ping__lt=since) | models.Q(last_ping=None)
        return delete_rows(self.filter(silent, active=False))

    async def apurge_inactive(self, in_last_mins: float = 5) -> int:
        return await sync_to_async(self.purge_inactive)(in_last_mins)

    def _rows(self) -> "SocketQuerySet":
        return self

    def _addresses(self) -> AddressList:
        return AddressList(self.values_list("channel_name", flat=True))


def delete_rows(sockets: models.QuerySet[Any, Any]) -> int:
    """Delete `sockets` and return their number, without rows deleted in cascade."""
    _total, by_model = sockets.delete()
    return by_model.get(sockets.model._meta.label, 0)


class Node(models.Model):
    """A server process with open connections, and the last renewal of its lease (`seen`)."""

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    seen = models.DateTimeField(_("last seen"), db_index=True)

    class Meta:
        verbose_name = _("server process")
        verbose_name_plural = _("server processes")

    def __str__(self) -> str:
        return self.name


def _node_without_lease(socket: "Socket") -> Node:
    """Return the unsaved node of `socket`: its first lease is written at its first heartbeat."""
    return Node(name=str(socket.node_id), seen=socket.connected_at)


class Socket(SocketCommands, models.Model):
    """One open connection. `channel_name` is its address, for `Channel(…)`.

    Source: the README of django-channels-router.
    """

    session = OptionalForeignKey("sessions.Session", verbose_name=_("session"))
    session_key = models.CharField(_("session key"), max_length=255, null=True, blank=True)
    user = OptionalForeignKey(settings.AUTH_USER_MODEL, verbose_name=_("user"))
    node = OptionalForeignKey(  # bots have none
        Node, _node_without_lease, verbose_name=_("server process"), on_delete=models.CASCADE
    )
    channel_name = models.CharField(_("channel name"), max_length=100, unique=True)
    path = models.CharField(_("path"), max_length=PATH_LENGTH, db_index=True)
    active = models.BooleanField(_("active"), default=False)
    connected_at = models.DateTimeField(_("connected at"), default=timezone.now, db_index=True)
    last_ping = models.DateTimeField(_("last ping"), null=True, blank=True)
    user_ip = models.CharField(_("IP address"), max_length=45, null=True, blank=True)

    objects = SocketQuerySet.as_manager()

    class Meta:
        verbose_name = _("socket")
        verbose_name_plural = _("sockets")

    def __str__(self) -> str:
        active = "active" if self.active else "inactive"
        return f"{self.user or 'anonymous'}@{self.path} ({active})"

    def __repr__(self) -> str:
        return f"<Socket {self}>"

    @property
    def reply_channel(self) -> Channel:
        """The connection, as an object to send to."""
        return Channel(self.channel_name)

    def _rows(self) -> SocketQuerySet:
        return type(self).objects.filter(pk=self.pk)

    def _addresses(self) -> AddressList:
        return AddressList([self.channel_name])
