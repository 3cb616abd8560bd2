"""The demo's settings. It needs SQLite only, so one command starts it."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).parent

DEBUG = os.environ.get("DEMO_DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("DEMO_SECRET_KEY", "only-for-the-demo" if DEBUG else "")
ALLOWED_HOSTS = os.environ.get("DEMO_HOSTS", "localhost 127.0.0.1 [::1]").split()

INSTALLED_APPS = [
    "daphne",  # makes `runserver` serve sockets
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_channels",
    "sockets",
    "demo",
    "demo.shopping_list",
    "demo.sequencer",
    "demo.channels_tutorial",
    "demo.chat_rooms",
    "demo.ticket_board",
    "demo.dice_game",
    "demo.plants",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "demo.content_security_policy.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo.urls"
ASGI_APPLICATION = "demo.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DB", BASE_DIR / "db.sqlite3"),
        "OPTIONS": {
            # Several users write at once: lock before reading, wait for the lock, let others read.
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# One process needs only the in-memory layer. Several processes share a Redis, as in
# `make demo-cluster`. There each process has a name, which its pages show.
REDIS_URL = os.environ.get("DEMO_REDIS_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
SERVER = os.environ.get("DEMO_SERVER")
CLUSTER = int(os.environ.get("DEMO_CLUSTER", "0"))  # the process of that command
SILENCED_SYSTEM_CHECKS = [] if REDIS_URL else ["rest_channels.W003"]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
