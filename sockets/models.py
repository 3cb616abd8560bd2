"""Every open connection as a row: who is on which page, since when, from where.

    Socket.objects.filter(user__groups__name="staff").send_action("CHAT", text="hello")
    Socket.objects.online().filter(path="/game/1/").users()

Rows are made and deleted by `presence`; what they are told goes by `delivery`.
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

from .constants import PATH_LENGTH, PING
from .delivery import AddressList
from .leases import expiry

__all__ = ["Node", "Socket", "SocketQuerySet", "deleted"]


class SocketCommands:
    """What one can do with a row, and with many. Each verb has an `a…` twin.

    What sends gives the number of sockets that were addressed. What nobody hears any more is
    dropped, and a broker that is down is logged.
    """

    def _rows(self) -> "SocketQuerySet":
        raise NotImplementedError

    def _addresses(self) -> AddressList:
        raise NotImplementedError

    # To speak.

    def send_str(self, text: str) -> int:
        """Send `text` as it is."""
        to = self._addresses()
        to.send_str(text)
        return len(to)

    def send_json(self, content: dict[str, Any]) -> int:
        """Send `content` as JSON, with a `TIMESTAMP` (milliseconds since 1970, as text)."""
        to = self._addresses()
        to.send_json(content)
        return len(to)

    def send_action(self, type: str, /, **kwargs: Any) -> int:
        """Send `{**kwargs, "type": type}`."""
        return self.send_json({**kwargs, "type": type})

    def disconnect(self, code: int = CloseCode.REVOKED, reason: str = "") -> int:
        """Close the connections. In: what their clients see; of `reason` 123 bytes.

        Raises `ValueError` for a code that is none.
        """
        to = self._addresses()
        to.disconnect(code, reason)
        return len(to)

    def group(self) -> AddressList:
        """Those connected now, as an object with Channels 1's `send({"text": …})`."""
        return self._addresses()

    async def asend_str(self, text: str) -> int:
        """`send_str`, awaited."""
        return await sync_to_async(self.send_str)(text)

    async def asend_json(self, content: dict[str, Any]) -> int:
        """`send_json`, awaited."""
        return await sync_to_async(self.send_json)(content)

    async def asend_action(self, type: str, /, **kwargs: Any) -> int:
        """`send_action`, awaited."""
        return await self.asend_json({**kwargs, "type": type})

    async def adisconnect(self, code: int = CloseCode.REVOKED, reason: str = "") -> int:
        """`disconnect`, awaited."""
        return await sync_to_async(self.disconnect)(code, reason)

    async def agroup(self) -> AddressList:
        """`group`, awaited."""
        return await sync_to_async(self.group)()

    # To know who is still there.

    def mark_active(self) -> int:
        """Note that they have given a sign of life; the number of rows."""
        return self._rows().update(active=True, last_ping=timezone.now())

    def mark_inactive(self) -> int:
        """Note that they have to give one; the number of rows."""
        return self._rows().update(active=False)

    def cleanup_stale(self) -> int:
        """Ask for a sign of life: mark them inactive until they answer the PING they are sent."""
        to = self._addresses()
        self.mark_inactive()
        to.send_json({"type": PING})
        return len(to)

    async def amark_active(self) -> int:
        """`mark_active`, awaited."""
        return await sync_to_async(self.mark_active)()

    async def amark_inactive(self) -> int:
        """`mark_inactive`, awaited."""
        return await sync_to_async(self.mark_inactive)()

    async def acleanup_stale(self) -> int:
        """`cleanup_stale`, awaited."""
        return await sync_to_async(self.cleanup_stale)()


class SocketQuerySet(SocketCommands, models.QuerySet["Socket", "Socket"]):
    """Sockets to be filtered, and to be spoken to. To speak costs one query."""

    def online(self) -> "SocketQuerySet":
        """Those whose server process lives. Bots have none, and are always there."""
        since = expiry()
        if since is None:
            return self
        living = models.Q(node__in=Node.objects.filter(seen__gt=since))
        return self.filter(models.Q(node=None) | models.Q(connected_at__gt=since) | living)

    def left_behind(self) -> "SocketQuerySet":
        """Those whose server process has died."""
        since = expiry()
        if since is None:
            return self.none()
        living = models.Q(node__in=Node.objects.filter(seen__gt=since))
        return self.filter(~living, node__isnull=False, connected_at__lte=since)

    def users(self) -> models.QuerySet[Any, Any]:
        """Who they belong to, each user once."""
        mine = self.filter(user__isnull=False).values("user")
        return get_user_model()._default_manager.filter(pk__in=mine)

    def purge_inactive(self, in_last_mins: float = 5) -> int:
        """Delete the rows that have owed a sign of life for so many minutes; their number.

        The row of a connection that is open all the same comes back at the next beat.
        """
        since = timezone.now() - timedelta(minutes=in_last_mins)
        silent = models.Q(last_ping__lt=since) | models.Q(last_ping=None)
        return deleted(self.filter(silent, active=False))

    async def apurge_inactive(self, in_last_mins: float = 5) -> int:
        """`purge_inactive`, awaited."""
        return await sync_to_async(self.purge_inactive)(in_last_mins)

    def _rows(self) -> "SocketQuerySet":
        return self

    def _addresses(self) -> AddressList:
        return AddressList(self.values_list("channel_name", flat=True))


def deleted(sockets: models.QuerySet[Any, Any]) -> int:
    """Delete `sockets`; how many rows that were, not counting what belonged to them."""
    _all, by_model = sockets.delete()
    return by_model.get(sockets.model._meta.label, 0)


class Node(models.Model):
    """A server process that has connections: it renews its lease on their rows."""

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    seen = models.DateTimeField(_("last seen"), db_index=True)

    class Meta:
        verbose_name = _("server process")
        verbose_name_plural = _("server processes")

    def __str__(self) -> str:
        return self.name


class Socket(SocketCommands, models.Model):
    """One open connection. In: see seed 003; `channel_name` is its address, for `Channel(…)`."""

    session = models.ForeignKey(
        "sessions.Session",
        verbose_name=_("session"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
    )
    session_key = models.CharField(_("session key"), max_length=255, null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
    )
    node = models.ForeignKey(
        Node,
        verbose_name=_("server process"),
        on_delete=models.CASCADE,
        db_constraint=False,  # a node's first lease is written at its first beat
        null=True,  # a bot's
        blank=True,
    )
    channel_name = models.CharField(_("channel name"), max_length=100, unique=True)
    path = models.CharField(_("path"), max_length=PATH_LENGTH, db_index=True)
    active = models.BooleanField(_("active"), default=False)
    connected_at = models.DateTimeField(_("connected at"), default=timezone.now, db_index=True)
    last_ping = models.DateTimeField(_("last sign of life"), null=True, blank=True)
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
        """The way to the connection."""
        return Channel(self.channel_name)

    def _rows(self) -> SocketQuerySet:
        return type(self).objects.filter(pk=self.pk)

    def _addresses(self) -> AddressList:
        return AddressList([self.channel_name])
