"""Hooks that publish what was committed, before the hooks of the project run.

One of the project's hooks may fail, or write. So those that publish are taken out at the commit,
and called first. Django drops the hooks of a savepoint that is rolled back.

Revocations are published before anything else. Otherwise a client could be told what was written in
the commit that took its rights away.
"""

import logging
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any, ClassVar, Self
from weakref import ref

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..client_logs import errors_logged

__all__ = ["CommitHook", "Revocation"]

logger = logging.getLogger("rest_channels")

_errors_logged = partial(errors_logged, logger, "What was committed cannot be published.")


class CommitHook:
    """What is published when the running transaction is committed."""

    __slots__ = ()

    is_first: ClassVar[bool] = False
    """Whether it is published before hooks of other kinds."""

    @classmethod
    def publish_all(cls, hooks: list[Self]) -> None:
        """Publish the hooks of one commit together."""
        raise NotImplementedError

    def commit_hook(self) -> None:
        """Publish where Django runs hooks one by one: with autocommit, and in tests."""
        raise NotImplementedError

    def add_to(self, connection: BaseDatabaseWrapper) -> None:
        """Publish at the commit of the running transaction, or now if there is none.

        Raises:
            TransactionManagementError: Autocommit is off, outside of `atomic()`.
        """
        if "run_and_clear_commit_hooks" not in vars(connection):
            hooks = partial(_run_commit_hooks, ref(connection))
            vars(connection)["run_and_clear_commit_hooks"] = hooks
        transaction.on_commit(self.commit_hook, using=connection.alias, robust=True)


def _run_commit_hooks(reference: ref[BaseDatabaseWrapper]) -> None:
    """Replace a connection's `run_and_clear_commit_hooks`: publish changes, then run the rest."""
    connection: Any = reference()
    if not connection.in_atomic_block:
        hooks, connection.run_on_commit = connection.run_on_commit, []
        owners = [getattr(hook, "__self__", None) for _savepoints, hook, _robust in hooks]
        try:
            publishing = [owner for owner in owners if isinstance(owner, CommitHook)]
            for _kind, group in groupby(sorted(publishing, key=_order_of), _order_of):
                same = [*group]
                with _errors_logged():
                    type(same[0]).publish_all(same)
        finally:
            connection.run_on_commit = [
                hook
                for hook, owner in zip(hooks, owners, strict=True)
                if not isinstance(owner, CommitHook)
            ]
    type(connection).run_and_clear_commit_hooks(connection)


def _order_of(hook: CommitHook) -> tuple[bool, str]:
    return not hook.is_first, type(hook).__name__


class Revocation(CommitHook):
    """Tells hubs that rights may have changed, by a call of `publish()`."""

    __slots__ = ("_publish",)

    is_first = True

    def __init__(self, publish: Callable[[], Any]) -> None:
        self._publish = publish

    @classmethod
    def publish_all(cls, hooks: list[Self]) -> None:
        for hook in hooks:
            with _errors_logged():
                hook.commit_hook()

    def commit_hook(self) -> None:
        self._publish()
