from django.contrib import admin

from .models import Message, Presence, Room


class PresenceInline(admin.TabularInline):
    model = Presence
    extra = 0


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    list_display = ["name", "host"]
    search_fields = ["name"]
    inlines = [PresenceInline]


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ["text", "user", "room", "created_at"]
    list_filter = ["room", "user"]
    search_fields = ["text"]
