"""The admin's list of who is connected. It keeps itself up to date, and speaks to its rows.

Rows are made and deleted by connections, so nobody edits them here. The keys of sessions are
credentials: no page shows them, and no query can ask for them.
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

__all__ = ["SocketAdmin"]

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Socket]
else:
    ModelAdmin = admin.ModelAdmin

SHOWN = 10
"""How many of the chosen sockets the page of an action names."""


class LoggedInFilter(admin.SimpleListFilter):
    """Whether somebody is logged in."""

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
    """Who is connected now, to servers that live. See `sockets/static/sockets/live.js`.

    To send and to ping takes the permission to change sockets, to disconnect that to delete them.
    """

    list_display = ["user_name", "path", "user_ip", "since", "last_sign", "active"]
    list_display_links = ["path"]
    list_filter = ["active", LoggedInFilter, ("node", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user"]
    search_help_text = _("A path, an address or the name of a user.")
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

    # What is shown.

    @admin.display(description=_("user"), ordering=f"user__{get_user_model().USERNAME_FIELD}")
    def user_name(self, socket: Socket) -> str:
        """Who it is."""
        return str(_("anonymous") if socket.user is None else socket.user)

    @admin.display(description=_("since"), ordering="connected_at")
    def since(self, socket: Socket) -> str:
        """When it began."""
        return _short(socket.connected_at)

    @admin.display(description=_("last sign of life"), ordering="last_ping")
    def last_sign(self, socket: Socket) -> str | None:
        """When it gave one."""
        return None if socket.last_ping is None else _short(socket.last_ping)

    def get_queryset(self, request: HttpRequest) -> SocketQuerySet:
        sockets: Any = super().get_queryset(request)
        online: SocketQuerySet = sockets.online()
        return online

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["path", "user_ip", f"user__{get_user_model().USERNAME_FIELD}"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        if "session" in lookup:  # ?session_key__startswith=a would tell it letter by letter
            return False
        return super().lookup_allowed(lookup, value, request)

    # Who may do what.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows here; but they must not keep anybody from deleting their user.

        The admin asks for each row that goes with its user or session. It asks for a row on the
        row's own pages too: those are closed below.
        """
        return obj is not None

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """There is none. Raises `PermissionDenied`."""
        raise PermissionDenied

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show a row, without a button to delete it."""
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "show_delete": False}
        return super().change_view(request, *args, **kwargs)

    def has_speak_permission(self, request: HttpRequest) -> bool:
        """Whether one may send, and ask for signs of life."""
        return self._may(request, "change")

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """Whether one may close connections."""
        return self._may(request, "delete")

    def _may(self, request: HttpRequest, what: str) -> bool:
        codename = get_permission_codename(what, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    # What can be done.

    @admin.action(permissions=["speak"], description=_("Send a message…"))
    def send_message(
        self, request: HttpRequest, queryset: SocketQuerySet
    ) -> HttpResponseBase | None:
        """Ask for a message, then send it."""
        form = MessageForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            page = {"title": _("Send a message"), "button": _("Send"), "action": "send_message"}
            return self._form_page(request, queryset, form, page)
        number = queryset.send_action(form.cleaned_data["type"], **form.cleaned_data["content"])
        said = ngettext(
            "The message was sent to %(count)d socket.",
            "The message was sent to %(count)d sockets.",
            number,
        )
        self.message_user(request, said % {"count": number}, messages.SUCCESS)
        return None

    @admin.action(permissions=["speak"], description=_("Ask for a sign of life"))
    def ping(self, request: HttpRequest, queryset: SocketQuerySet) -> None:
        """Mark them inactive until they answer."""
        number = queryset.cleanup_stale()
        said = ngettext(
            "%(count)d socket was asked for a sign of life, and is inactive until it answers.",
            "%(count)d sockets were asked for a sign of life, and are inactive until they answer.",
            number,
        )
        self.message_user(request, said % {"count": number}, messages.SUCCESS)

    @admin.action(permissions=["disconnect"], description=_("Disconnect…"))
    def disconnect(self, request: HttpRequest, queryset: SocketQuerySet) -> HttpResponseBase | None:
        """Ask how, then close the connections."""
        form = DisconnectForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            page = {"title": _("Disconnect"), "button": _("Yes, disconnect")}
            return self._form_page(request, queryset, form, {**page, "action": "disconnect"})
        number = queryset.disconnect(**form.cleaned_data)
        said = ngettext(
            "%(count)d socket was disconnected.", "%(count)d sockets were disconnected.", number
        )
        self.message_user(request, said % {"count": number}, messages.SUCCESS)
        return None

    def _form_page(
        self, request: HttpRequest, queryset: SocketQuerySet, form: Any, page: dict[str, Any]
    ) -> HttpResponseBase | None:
        """The page between an action and its deed; it comes back with what was chosen."""
        number = queryset.count()
        if not number:
            said = _("Whom you selected has left meanwhile.")
            self.message_user(request, said, messages.WARNING)
            return None
        across = request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            **page,
            "opts": self.opts,
            "form": form,
            "adminform": AdminForm(form, [(None, {"fields": list(form.fields)})], {}),
            "number": number,
            "sockets": queryset[:SHOWN],
            "others": max(number - SHOWN, 0),
            "across": across,
            # With `across` the admin looks at none of them, but it wants to see one.
            "selected": ["0"] if across else request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/sockets/socket/action.html", context)


def _short(moment: datetime) -> str:
    """Of today's moments the time, so that columns stay narrow; one can point at it for the day."""
    local, now = map(_local, (moment, timezone.now()))
    full = date_format(local, "DATETIME_FORMAT")
    short = date_format(local, "TIME_FORMAT") if local.date() == now.date() else full
    return format_html('<span title="{}">{}</span>', full, short)


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
