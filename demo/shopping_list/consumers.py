"""The socket of the shopping list. The browser's side is `list.js`."""

from rest_framework.permissions import AllowAny

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action
from rest_channels.observer import model_observer

from .models import Item
from .serializers import ItemSerializer


class ShoppingList(ModelConsumer):
    """list, retrieve, create, update, patch, delete, and `follow`."""

    queryset = Item.objects.all()
    serializer_class = ItemSerializer
    permission_classes = [AllowAny]  # nobody has to log in

    changes = model_observer(Item, serializer_class=ItemSerializer)

    @action(response=ItemSerializer(many=True))
    def follow(self, request_id):
        """Answer with all items, and then send every change."""
        self.changes.subscribe(request_id=request_id)
        items = self.get_serializer(self.get_queryset(), many=True)
        return items.data, 200
