"""The items that `demo_setup` creates."""

from .models import Item

SAMPLES = [("Bread", True), ("Tomatoes", False), ("Lemons", False), ("Coffee", False)]


def create_items():
    """Create the samples, unless the list has items."""
    if not Item.objects.exists():
        Item.objects.bulk_create(Item(text=text, done=done) for text, done in SAMPLES)
