"""djangochannelsrestframework, used as in its documentation, in an isolated process."""

from django.contrib.contenttypes.models import ContentType
from djangochannelsrestframework.generics import (  # type: ignore[import-not-found]
    GenericAsyncAPIConsumer,
)
from djangochannelsrestframework.observer.generics import (  # type: ignore[import-not-found]
    ObserverModelInstanceMixin,
)

from ..database import ContentTypeSerializer


class Observer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):  # type: ignore[misc]
    """Sends a row when it changes."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


APPLICATIONS = {"observer": Observer.as_asgi()}
