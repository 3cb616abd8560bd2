"""Sites whose users and sessions are not Django's: each runs in a process with its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

SITE = "tests.field.identity_site"
HERE = Path(__file__).parent


def run_cases(settings: str, cases: str) -> None:
    options = ["-q", "-n0", "-x", "--noconftest", "-p", "no:cacheprovider", "--create-db"]
    command = [sys.executable, "-m", "pytest", f"--ds={SITE}.{settings}", *options]
    path = HERE / "identity_site" / cases
    done = subprocess.run(  # noqa: PLW1510 - the assertion below has the output
        [*command, path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_user_model_in_several_tables_of_another_database_is_kept_current() -> None:
    run_cases("settings_accounts", "accounts_cases.py")


@pytest.mark.parametrize("settings", ["settings_bare", "settings_none", "settings_guest"])
def test_a_site_without_the_apps_of_users_and_sessions_has_both_as_drf_has(settings) -> None:
    run_cases(settings, "bare_cases.py")
