"""The admin's list of open connections, with actions that send to them or close them.

Connections create and delete the rows, so the admin cannot edit them. Session keys are
credentials: no page shows them, and no query can filter by them.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, AdminForm
from django.contrib.auth import get_permission_codename, get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .forms import DisconnectForm, MessageForm
from .models import Socket, SocketQuerySet
from .relations import share_database

__all__ = ["SocketAdmin"]

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Socket]
else:
    ModelAdmin = admin.ModelAdmin

MAX_LISTED = 10
"""How many selected sockets the page of an action lists."""


class LoggedInFilter(admin.SimpleListFilter):
    """Filter sockets by whether their user is logged in."""

    title = _("user")
    parameter_name = "logged_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Logged in")), ("0", _("Anonymous"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() in ("0", "1"):
            return queryset.filter(user__isnull=self.value() == "0")
        return queryset


@admin.register(Socket)
class SocketAdmin(ModelAdmin):
    """The open connections of live servers. `static/sockets/live.js` keeps the list up to date.

    Sending and pinging require the permission to change sockets, disconnecting that to delete.
    """

    list_display = ["user_name", "path", "user_ip", "since", "last_ping_at", "active"]
    list_display_links = ["path"]
    list_filter = ["active", LoggedInFilter, ("node", admin.RelatedOnlyFieldListFilter)]
    search_help_text = _("Search by path, IP address or user name.")
    show_full_result_count = False
    date_hierarchy = "connected_at"
    ordering = ["-connected_at"]
    actions = ["send_message", "ping", "disconnect"]
    fields = [
        "user",
        "path",
        "user_ip",
        "connected_at",
        "last_ping",
        "active",
        "node",
        "channel_name",
    ]

    class Media:
        css = {"all": ["sockets/live.css"]}
        js = [forms.Script("sockets/live.js", type="module")]

    # Display.

    @admin.display(description=_("user"), ordering=f"user__{get_user_model().USERNAME_FIELD}")
    def user_name(self, socket: Socket) -> str:
        return str(_("anonymous") if socket.user is None else socket.user)

    @admin.display(description=_("user"))
    def unsorted_user_name(self, socket: Socket) -> str:
        return self.user_name(socket)

    @admin.display(description=_("since"), ordering="connected_at")
    def since(self, socket: Socket) -> str:
        return _short_time(socket.connected_at)

    @admin.display(description=_("last ping"), ordering="last_ping")
    def last_ping_at(self, socket: Socket) -> str | None:
        return None if socket.last_ping is None else _short_time(socket.last_ping)

    def get_queryset(self, request: HttpRequest) -> SocketQuerySet:
        sockets: Any = super().get_queryset(request)
        joined = share_database(Socket, get_user_model())
        sockets = sockets.select_related("user") if joined else sockets.prefetch_related("user")
        online: SocketQuerySet = sockets.online()
        return online

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        own = ["path", "user_ip"]
        joined = [f"user__{get_user_model().USERNAME_FIELD}"]
        return own + joined if share_database(Socket, get_user_model()) else own

    def get_list_display(self, request: HttpRequest) -> Any:
        """Sort by user names only where one query can join both tables."""
        joined = share_database(Socket, get_user_model())
        return self.list_display if joined else ["unsorted_user_name", *self.list_display[1:]]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        if "session" in lookup:  # ?session_key__startswith=a would reveal it letter by letter
            return False
        return super().lookup_allowed(lookup, value, request)

    # Permissions.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow deleting a row only together with its user or session.

        For such a cascade the admin asks this method about each row. It also asks on the row's
        own pages, so `delete_view` and `change_view` forbid deleting there.
        """
        return obj is not None

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Raise `PermissionDenied`: rows cannot be deleted by hand."""
        raise PermissionDenied

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show a row without a delete button."""
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "show_delete": False}
        return super().change_view(request, *args, **kwargs)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may send messages and pings."""
        return self._has_permission(request, "change")

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may close connections."""
        return self._has_permission(request, "delete")

    def _has_permission(self, request: HttpRequest, action: str) -> bool:
        codename = get_permission_codename(action, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    # Actions.

    @admin.action(permissions=["send"], description=_("Send a message…"))
    def send_message(
        self, request: HttpRequest, queryset: SocketQuerySet
    ) -> HttpResponseBase | None:
        """Show a form for the message, then send it."""
        form = MessageForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            page = {"title": _("Send a message"), "button": _("Send"), "action": "send_message"}
            return self._form_page(request, queryset, form, page)
        count = queryset.send_action(form.cleaned_data["type"], **form.cleaned_data["content"])
        result = ngettext(
            "The message was sent to %(count)d socket.",
            "The message was sent to %(count)d sockets.",
            count,
        )
        self.message_user(request, result % {"count": count}, messages.SUCCESS)
        return None

    @admin.action(permissions=["send"], description=_("Send a ping"))
    def ping(self, request: HttpRequest, queryset: SocketQuerySet) -> None:
        """Send a PING, and mark the sockets inactive until their clients answer."""
        count = queryset.cleanup_stale()
        result = ngettext(
            "%(count)d socket was pinged. It is inactive until it answers.",
            "%(count)d sockets were pinged. They are inactive until they answer.",
            count,
        )
        self.message_user(request, result % {"count": count}, messages.SUCCESS)

    @admin.action(permissions=["disconnect"], description=_("Disconnect…"))
    def disconnect(self, request: HttpRequest, queryset: SocketQuerySet) -> HttpResponseBase | None:
        """Show a form for the close code, then close the connections."""
        form = DisconnectForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            page = {"title": _("Disconnect"), "button": _("Yes, disconnect")}
            return self._form_page(request, queryset, form, {**page, "action": "disconnect"})
        count = queryset.disconnect(**form.cleaned_data)
        result = ngettext(
            "%(count)d socket was disconnected.", "%(count)d sockets were disconnected.", count
        )
        self.message_user(request, result % {"count": count}, messages.SUCCESS)
        return None

    def _form_page(
        self, request: HttpRequest, queryset: SocketQuerySet, form: Any, page: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Return the page with the form of an action. It posts the same selection again."""
        count = queryset.count()
        if not count:
            warning = _("The selected sockets are no longer connected.")
            self.message_user(request, warning, messages.WARNING)
            return None
        select_across = request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            **page,
            "opts": self.opts,
            "form": form,
            "adminform": AdminForm(form, [(None, {"fields": list(form.fields)})], {}),
            "count": count,
            "sockets": queryset[:MAX_LISTED],
            "unlisted_count": max(count - MAX_LISTED, 0),
            "select_across": select_across,
            # With `select_across` the admin ignores the values, but requires at least one.
            "selected": ["0"] if select_across else request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/sockets/socket/action.html", context)


def _short_time(moment: datetime) -> str:
    """Return the time without the date if it is today, to keep columns narrow."""
    local, now = map(_to_local_time, (moment, timezone.now()))
    full = date_format(local, "DATETIME_FORMAT")
    short = date_format(local, "TIME_FORMAT") if local.date() == now.date() else full
    return format_html('<span title="{}">{}</span>', full, short)


def _to_local_time(moment: datetime) -> datetime:
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
