from rest_framework.permissions import SAFE_METHODS, BasePermission


class OwnerChanges(BasePermission):
    """Everybody may look at a plant and water it, only its owner may change it."""

    def has_object_permission(self, request, view, plant):
        self.message = f"{plant} belongs to {plant.owner}. You may water it, but not change it."
        reads = request.method in SAFE_METHODS
        return reads or view.action == "water" or plant.owner == request.user
