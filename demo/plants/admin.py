from django.contrib import admin

from .models import Plant


@admin.register(Plant)
class PlantAdmin(admin.ModelAdmin):
    list_display = ["name", "species", "place", "due", "owner"]
    list_filter = ["kind", "place", "owner"]
    search_fields = ["name", "species"]
