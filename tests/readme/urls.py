from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import TemplateView

page = TemplateView.as_view(template_name="note.html")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("notes/<int:pk>/", login_required(page, login_url="admin:login")),
]
