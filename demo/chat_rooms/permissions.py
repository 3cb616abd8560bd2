from rest_framework.permissions import SAFE_METHODS, BasePermission


class IsOwnerOrReadOnly(BasePermission):
    """Only the host may change a room, and only the author may change a message."""

    def has_object_permission(self, request, view, row):
        owner = getattr(row, "host_id", None) or row.user_id
        return request.method in SAFE_METHODS or owner == request.user.pk
