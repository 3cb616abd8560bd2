from django.contrib import admin

from .models import Composition, Track, Version


class TrackInline(admin.TabularInline):
    model = Track
    extra = 0


@admin.register(Composition)
class CompositionAdmin(admin.ModelAdmin):
    list_display = ["title", "owner"]
    filter_horizontal = ["members"]
    inlines = [TrackInline]


@admin.register(Version)
class VersionAdmin(admin.ModelAdmin):
    list_display = ["composition", "number", "author", "created"]
    list_filter = ["composition", "author"]
