from rest_framework.serializers import ModelSerializer, ValidationError

from .models import Item

MOST = 12  # items of the list, to which every visitor may add


class ItemSerializer(ModelSerializer):
    class Meta:
        model = Item
        fields = ["id", "text", "done"]

    def validate(self, item):
        if self.instance is None and Item.objects.count() >= MOST:
            raise ValidationError("The list is full. Remove an item first.")
        return item
