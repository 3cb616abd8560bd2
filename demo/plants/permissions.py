from rest_framework.permissions import SAFE_METHODS, BasePermission


class PlantPermission(BasePermission):
    """Every user may see and water a plant. Only its owner may change it."""

    def has_object_permission(self, request, view, plant):
        self.message = f"{plant} belongs to {plant.owner}. You may water it, but not change it."
        is_read = request.method in SAFE_METHODS
        return is_read or view.action == "water" or plant.owner == request.user
