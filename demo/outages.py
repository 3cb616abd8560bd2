"""A button restarts the Redis of `make demo-cluster`, so that pages show what they do then."""

import os
import signal

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.views import View

from .people import demo_users


def may_restart_redis(user):
    """Return whether `user` may do it: one of the demo's users, in debug mode only.

    `make demo-cluster` has a Redis of its own, and is the parent of this process. Any other Redis
    is left alone.
    """
    is_cluster = os.getppid() == settings.CLUSTER
    return is_cluster and demo_users().filter(pk=user.pk).exists()


class RestartRedis(View):
    """Let `scripts/serve_cluster.py` kill its Redis, and start an empty one."""

    http_method_names = ["post"]

    def post(self, request):
        if not may_restart_redis(request.user):
            raise PermissionDenied
        os.kill(settings.CLUSTER, signal.SIGUSR1)
        return HttpResponse(status=204)
