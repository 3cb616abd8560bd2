"""The pages around the socket. They contain no music: the socket checks who may see it."""

from django.views.generic import ListView, TemplateView

from .models import Composition


class CompositionList(ListView):
    queryset = (
        Composition.objects.select_related("owner").prefetch_related("members").order_by("pk")
    )
    template_name = "sequencer/list.html"


class CompositionPage(TemplateView):
    template_name = "sequencer/editor.html"
