REST_CHANNELS = {"MAX_THREADS": 5, "HANDSHAKE_THREADS": 2}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "notes",
        "CONN_MAX_AGE": 0,  # required by the pool
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 10, "timeout": 10},
        },
    },
}
