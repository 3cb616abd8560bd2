"""The site of `settings_bare`, whose anonymous clients have no user."""

from tests.field.identity_site.settings_bare import *  # noqa: F403 - a variant of them

REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
