from django.views.generic import TemplateView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.viewsets import ModelViewSet

from .mixins import PlantMixin
from .models import Plant


class PlantPage(TemplateView):
    template_name = "plants/plants.html"
    extra_context = {"kinds": Plant.Kind.values, "places": Plant.Place.values}


class PlantViewSet(PlantMixin, ModelViewSet):
    """The plants over HTTP."""

    pagination_class = LimitOffsetPagination
