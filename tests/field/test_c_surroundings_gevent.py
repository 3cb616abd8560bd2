"""Processes patched by gevent: `gunicorn -k gevent`, uWSGI's gevent loop, Celery's gevent pool."""

import os

import pytest

from tests.ports import free_port

from .scripts import run_script

pytestmark = pytest.mark.programs

PATCHED = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "rest_channels",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    CHANNEL_LAYERS={"default": {
        "BACKEND": sys.argv[3], "CONFIG": {"hosts": [sys.argv[1]]},
    }},
)
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from rest_channels.groups import Group
from rest_channels.cluster.counts import counts
from rest_channels.cluster.standalone_publisher import publisher

ada = User.objects.create_user("ada")

def use():
    Group("news").send({"text": "hello"})
    User.objects.get(pk=ada.pk).save()
    return User.objects.count()

print(use(), use(), publisher._loop.is_running())
greenlets = [gevent.spawn(use) for _ in range(20)]
gevent.joinall(greenlets, timeout=30)
print({greenlet.value for greenlet in greenlets}, counts.undelivered)
"""

LAYERS = ["channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubChannelLayer"]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_orm_works_after_a_group_send_and_a_save_in_a_patched_process(
    layer, redis_url, tmp_path
) -> None:
    printed = run_script(PATCHED, redis_url, tmp_path / "db", layer)
    assert printed == "1 1 True\n{1} 0\n"


def test_the_orm_works_in_a_patched_process_whose_broker_is_away(tmp_path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    printed = run_script(PATCHED, url, tmp_path / "db", LAYERS[0], DJANGO_ALLOW_ASYNC_UNSAFE="")
    assert printed.startswith("1 1 True\n{1} ")
    assert "DJANGO_ALLOW_ASYNC_UNSAFE" not in os.environ
