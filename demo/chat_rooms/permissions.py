from rest_framework.permissions import SAFE_METHODS, BasePermission


class OwnerChanges(BasePermission):
    """Everybody may read; a room is its host's to change, a message its author's."""

    def has_object_permission(self, request, view, row):
        owner = getattr(row, "host_id", None) or row.user_id
        return request.method in SAFE_METHODS or owner == request.user.pk
