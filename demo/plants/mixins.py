from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.permissions import IsAuthenticatedOrReadOnly

from .models import Plant
from .permissions import PlantPermission
from .serializers import PlantSerializer


class PlantMixin:
    """What the socket and the HTTP API share."""

    queryset = Plant.objects.select_related("owner")
    serializer_class = PlantSerializer
    permission_classes = [IsAuthenticatedOrReadOnly, PlantPermission]
    filter_backends = [SearchFilter, OrderingFilter]
    search_fields = ["name", "species", "kind", "place", "owner__username"]
    ordering_fields = ["name", "due", "id"]

    def perform_create(self, serializer):
        serializer.save(owner=self.request.user)
