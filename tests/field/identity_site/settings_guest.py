"""The site of `settings_bare`, whose anonymous clients are guests."""

from tests.field.identity_site.settings_bare import *  # noqa: F403 - a variant of them

REST_FRAMEWORK = {"UNAUTHENTICATED_USER": "tests.field.identity_site.guests.Guest"}
