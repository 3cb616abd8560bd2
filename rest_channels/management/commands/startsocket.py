"""`startsocket`: create an app with a live page, as `startapp` creates an app without one."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.commands.startapp import Command as StartApp

__all__ = ["Command"]

TEMPLATE = Path(__file__).parents[1] / "app_template"

FIRST = """\
Created the app {app}. Now let the project use it:

1. Add to the end of the settings:

    INSTALLED_APPS += ["{app}"]
    ASGI_APPLICATION = "{project}.asgi.application"
    # One process needs no Redis (W003), and uvicorn replaces runserver (W022).
    SILENCED_SYSTEM_CHECKS = ["rest_channels.W003", "rest_channels.W022"]

2. Add to the end of {project}/asgi.py:

    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from rest_channels.routing import SocketApplication

    application = SocketApplication("{app}.live", http=ASGIStaticFilesHandler(application))
"""

NEXT = """\
Created the app {app}. Now let the project use it:

1. Add to the end of the settings:

    INSTALLED_APPS += ["{app}"]

2. Add to the routes of your SocketApplication (include is in django.urls):

    path("", include("{app}.live")),
"""

LAST = """
3. Add to the end of {urls}:

    from django.urls import include

    urlpatterns += [path("", include("{app}.urls"))]

4. Start the server, and open http://127.0.0.1:8000/{app}/ in two windows:

    uvicorn {project}.asgi:application --ws websockets-sansio --ws-max-size 1048576
"""


class Command(StartApp):
    """Create the files of an app with a socket, its page and a test. Change no other file."""

    help = "Create an app with a socket and a page that two windows can try."
    missing_args_message = "Give the app a name: manage.py startsocket chat"

    def handle(self, **options: Any) -> None:  # type: ignore[override]
        name = options["name"]
        options["template"] = options["template"] or str(TEMPLATE)
        super().handle(**options)
        self.stdout.write(next_steps(name))


def next_steps(app: str) -> str:
    """Return what to write into the files of the project, which the command does not change."""
    urls = settings.ROOT_URLCONF.replace(".", "/") + ".py"
    project = settings.ROOT_URLCONF.partition(".")[0]
    first = NEXT if getattr(settings, "ASGI_APPLICATION", None) else FIRST
    return (first + LAST).format(app=app, project=project, urls=urls)
