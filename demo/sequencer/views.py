"""The pages around the socket. They hold no music: the socket decides who gets to see any."""

from django.views.generic import ListView, TemplateView

from .models import Composition


class CompositionList(ListView):
    queryset = (
        Composition.objects.select_related("owner").prefetch_related("members").order_by("pk")
    )
    template_name = "compositions/list.html"


class CompositionPage(TemplateView):
    template_name = "compositions/editor.html"
