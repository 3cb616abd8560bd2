from django.contrib import admin

from .models import Ticket


@admin.register(Ticket)
class TicketAdmin(admin.ModelAdmin):
    list_display = ["title", "status", "position", "owner"]
    list_editable = ["status"]
    list_filter = ["status", "owner"]
    search_fields = ["title"]
