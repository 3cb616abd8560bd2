"""Whether an asgiref `Local` may have a value, found out without asking it."""

from contextvars import Context
from functools import partial

from asgiref.local import Local

from rest_channels.concurrency.asgiref_locals import LocalValue

local = Local()
value = LocalValue(partial(setattr, local, "value", None))


def test_a_local_that_was_never_set_has_no_value() -> None:
    assert not Context().run(value.may_be_set)


def test_a_local_that_was_set_in_the_context_may_have_a_value() -> None:
    context = Context()
    context.run(setattr, local, "value", 1)
    assert context.run(value.may_be_set)
    assert not Context().run(value.may_be_set)


def test_looking_for_the_variables_sets_nothing_in_the_running_context() -> None:
    context = Context()
    context.run(LocalValue(partial(setattr, local, "value", 2)).may_be_set)
    assert context.run(getattr, local, "value", None) is None


def test_what_is_not_kept_in_context_variables_may_always_have_a_value() -> None:
    assert LocalValue(lambda: None).may_be_set()
