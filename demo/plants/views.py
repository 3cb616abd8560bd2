from django.views.generic import TemplateView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.viewsets import ModelViewSet

from .models import Plant
from .shelf import Shelf


class PlantPage(TemplateView):
    template_name = "plants/plants.html"
    extra_context = {"kinds": Plant.Kind.values, "places": Plant.Place.values}


class PlantViewSet(Shelf, ModelViewSet):
    """The same plants over HTTP."""

    pagination_class = LimitOffsetPagination
