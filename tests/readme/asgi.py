from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

application = SocketApplication("notes.live", http=get_asgi_application())
