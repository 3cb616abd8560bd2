from django.contrib import admin

from sockets.admin import SocketAdmin
from sockets.models import Socket

staff_site = admin.AdminSite(name="staff")


@admin.register(Socket, site=staff_site)
class StaffSocketAdmin(SocketAdmin):
    list_display = [*SocketAdmin.list_display, "node"]
    actions = [*SocketAdmin.actions, "announce_restart"]

    @admin.action(permissions=["send"], description="Announce a restart")
    def announce_restart(self, request, queryset):
        count = queryset.send_action("RESTART", minutes=5)
        self.message_user(request, f"Warned sockets: {count}")
