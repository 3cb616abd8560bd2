import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notes.settings")

# In production, let your web server or CDN serve the static files.
http = ASGIStaticFilesHandler(get_asgi_application())
application = SocketApplication("notes.live", http=http)
