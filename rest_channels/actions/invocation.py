"""The steps of an action, which the dispatcher runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from rest_framework.exceptions import ValidationError

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE
from ..concurrency.execution import run_and_render, thread_form
from ..concurrency.serial_queue import outlast_deadline, outlasts_deadline
from ..dispatch.errors import error_reply
from ..dispatch.invocation import FrameInvocation, Target, reply_to_frame
from ..dispatch.results import answer_of_response
from ..engine.connection import State
from ..parsers import parse_json
from ..protocol.arguments import fit_arguments
from ..protocol.dialects import Dialect
from ..protocol.messages import Call, Reply
from ..renderers import encode_text
from .answers import answer_error
from .authorization import check_action, has_throttles, throttle_action, while_not_expired
from .context import ActionContext, Answers, current_action
from .plan import ActionPlan

__all__ = ["ActionFrame", "ActionInvocation", "ConsumerFrame"]

logger = logging.getLogger("rest_channels")

NO_ARGUMENTS: dict[str, Any] = {}


class ActionInvocation(ActionContext):
    """An action that `handle_action` was called for, while another event is handled.

    That event answers the exceptions that no action answers: timeouts, and `SystemExit`.
    """

    event = "receive"
    call = Call(None)
    is_nested = True
    is_held = True
    action: Any
    plan: ActionPlan | None
    _is_read: bool  # errors before are not the action's
    _is_checked: bool  # the action was found, and has no checks of its own
    _is_detached = False

    def __init__(
        self, consumer: Any, action: Any, request_id: Any, arguments: dict[str, Any]
    ) -> None:
        connection = consumer._connection
        super().__init__(action, connection, "GET", arguments)
        around = current_action.get()
        if around is not None and around.connection is not connection:
            around = None
        self.answers = Answers() if around is None else around.frame_answers()
        # An action that another one runs is part of it. `disconnect` may run one after the end.
        is_part = around is not None and around.action is not None
        in_frame = isinstance(around, FrameContext)
        self.is_held = in_frame or (not is_part and connection.state <= State.OPEN)
        if self.is_held:
            consumer._authentication.remove_expired_user()
        self.consumer = consumer
        self.request_id = request_id
        self.plan = None
        self._is_checked = False
        self._is_read = True

    @property
    def target(self) -> Target:
        """What an `EXCEPTION_HANDLER` also finds for errors that an action has answered."""
        return self.consumer.handle_action, (), {}

    @property
    def dialect(self) -> Dialect:
        dialect: Dialect = self.consumer._dialect
        return dialect

    def find_handler(self) -> Target:
        """Return what calls the method of the action, and the arguments that it takes."""
        consumer, action = self.consumer, self.action
        plan = consumer._plans.get(action) if isinstance(action, str) else None
        if plan is None:
            own = {"action": action, "arguments": self.arguments}
            return self._replying(consumer._authenticate), (), own
        self.plan, self.method = plan, plan.method
        self._is_checked = True
        if plan.options is not None:
            self.options = plan.options
        current_action.set(self)
        own = NO_ARGUMENTS
        if plan.takes_reserved:
            own = {"action": action, "request_id": self.request_id}
        try:
            arguments = fit_arguments(plan.parameters, self.arguments, own)
        except ValidationError as error:
            # It is refused after the checks, like the action itself.
            return partial(_refuse_arguments, error.detail), (), {}
        handler = getattr(consumer, plan.attribute)
        if plan.in_thread:
            handler = thread_form(handler)
        if (authentication := consumer._authentication).authenticators:
            self.expiry_count = authentication.expiry_count
            handler = while_not_expired(consumer, self, handler)
        if plan.detached:
            handler = partial(self._begin_detached, handler)
        elif not consumer._default_replies:
            handler = self._replying(handler)
        return handler, (), arguments

    def _replying(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return `handler`, which also sends its answer if the consumer does so in its own way."""
        if self.consumer._default_replies:
            return handler
        self.frame_answers()  # the action may answer in a thread
        return partial(self._call_and_reply, handler)

    def check(self) -> Awaitable[None] | None:
        """Check the permissions for the action, then the throttles. `authenticate` has its own."""
        if not self._is_checked:
            return None
        consumer = self.consumer
        permission = check_action(consumer, self)
        if permission is None:
            return throttle_action(consumer, self)
        return self._check(permission) if has_throttles(consumer) else permission

    async def _check(self, permission: Awaitable[None]) -> None:
        await permission
        if self.connection.state <= State.OPEN:
            throttle = throttle_action(self.consumer, self)
            if throttle is not None:
                await throttle

    async def _begin_detached(self, method: Callable[..., Any], /, **arguments: Any) -> None:
        self.consumer._detached.begin(self, method, arguments)
        self._is_detached = True

    async def _call_and_reply(
        self, method: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> None:
        """Call the action of a consumer that sends its answers in its own way."""
        await self.send(await run_and_render(self.render_reply, method, *args, **kwargs))

    def render_result(self, result: Any) -> str | None:
        """Return the answer to `(data, status)` or a `Response`, as text. Log anything else."""
        if not (isinstance(result, tuple) and len(result) == 2):
            result = self._other_answer(result)
            if result is None:
                return None
        data, status = result
        content = self.consumer._dialect.build_content(self.action, data, status, self.request_id)
        answer = encode_text(content)
        return answer if self.answers is None or self._begin_answer() else None

    def _other_answer(self, result: Any) -> tuple[Any, Any] | None:
        """Return the data and the status of a `Response`. Log anything else but `None`."""
        if result is None:
            return None
        name = f"{type(self.consumer).__name__}.{self.plan.attribute if self.plan else self.action}"
        if (answer := answer_of_response(result, name)) is None:
            text = "%s returned %.60r, which is not sent. Return (data, status), or None."
            log_for_client(logger, logging.WARNING, text, name, result)
        return answer

    def render_reply(self, result: Any) -> Any:
        """Return the answer for `send`. A consumer that answers in its own way sends it now."""
        if self.consumer._default_replies:
            return self.render_result(result)
        if not (isinstance(result, tuple) and len(result) == 2):
            result = self._other_answer(result)
        if result is None or not self._begin_answer():
            return None
        data, status = result
        return self.consumer.reply(
            self.action, data=data, status=status, request_id=self.request_id
        )

    async def send(self, answer: Any) -> None:
        """Send what `render_reply` returned."""
        if isinstance(answer, str):
            await self.connection.answer(answer)
        elif answer is not None:
            await outlast_deadline(answer)

    def render_text(self, data: Any) -> str:
        return encode_text(data)

    def answer_error(self, error: BaseException) -> Awaitable[None] | None:
        """Return what answers `error` by the consumer's `handle_exception`.

        A deadline that passes while the answer waits for its client is not answered.
        """
        if isinstance(error, asyncio.CancelledError):
            return DONE if not self._expire() and outlasts_deadline() else None
        if not self._is_read or not isinstance(error, Exception):
            return None
        return self._handle_exception(error)

    async def _handle_exception(self, error: Exception) -> None:
        answers = self.frame_answers()
        try:
            await answer_error(self.consumer, error, self.action, self.request_id, answers)
        except asyncio.CancelledError:
            if self._expire() or not outlasts_deadline():
                raise

    def _begin_answer(self) -> bool:
        """Return whether the action may be answered: its deadline has not passed."""
        return self.answers is None or self.answers.begin(self.request_id)

    def _expire(self) -> bool:
        """Return whether the deadline has to answer. The event around a nested action decides."""
        if self.is_nested:
            return not self.frame_answers().has_begun(self.request_id)
        return self.frame_answers().expire(self.request_id)

    def handle_exception(self, error: Exception) -> Reply:
        name = self.action if isinstance(self.action, str) else None
        return error_reply(self, error)._replace(call=Call(name, None, self.request_id))

    def on_answered(self) -> None:
        """Let what waits for the answer go on. That of a detached action comes later."""
        if not self._is_detached:
            self.answered = True
            if self._answer_waiters:
                self.mark_answered()


class FrameContext(ActionContext):
    """What a frame does outside of actions."""


class ConsumerFrame(FrameInvocation):
    """A frame that its consumer reads in its own way. `handle_action` runs the actions in it."""

    def __init__(self, connection: Any, *target_and_dialect: Any) -> None:
        super().__init__(connection, *target_and_dialect)
        self._context = FrameContext(None, connection, "GET", {})

    def find_handler(self) -> Target:
        current_action.set(self._context)
        return super().find_handler()

    def answer_error(self, error: BaseException) -> Awaitable[None] | None:
        """Return what answers a deadline that passes while the answer waits for its client."""
        if not isinstance(error, asyncio.CancelledError):
            return None
        request_id = reply_to_frame(Reply(self.call), self.text, self.dialect).call.request_id
        expires = self._context.frame_answers().expire(request_id)
        return DONE if not expires and outlasts_deadline() else None


class ActionFrame(ActionInvocation):
    """A text frame that names an action, of a consumer that reads frames in the usual way."""

    is_nested = False

    def __init__(self, consumer: Any, text: str) -> None:
        # What the base classes would set, in one call instead of three.
        self.consumer = consumer
        self.connection = consumer._connection
        self.text = text
        self.decisions = {}
        self.permissions = self.plan = None
        self.answered = self._is_read = self._is_checked = False
        # Until the frame is read:
        self.action = self.request_id = None
        self.method, self.arguments = "GET", NO_ARGUMENTS

    def find_handler(self) -> Target:
        """Read the action, its arguments and the request id. Raises 400 without an action."""
        content = parse_json(self.text)
        if type(content) is not dict or "action" not in content:
            dialect = self.dialect
            raise dialect.handler_not_found(dialect.parse_call(content))
        self.action = content.pop("action")
        self.request_id = content.pop("request_id", None)
        self.arguments = content
        self._is_read = True
        return super().find_handler()

    def on_answered(self) -> None:
        super().on_answered()
        if self.connection.held is not None:
            self.connection.release()

    def handle_exception(self, error: Exception) -> Reply:
        return reply_to_frame(super().handle_exception(error), self.text, self.dialect)


async def _refuse_arguments(detail: Any) -> None:
    raise ValidationError(detail)
