"""`AsyncAPIConsumer`: actions over a WebSocket, with djangochannelsrestframework's method names.

    class Tickets(AsyncAPIConsumer):
        permission_classes = [IsAuthenticated]

        @action()
        def escalate(self, pk):
            ticket = Ticket.objects.get(pk=pk)
            return ticket.escalate(), 200

`{"action": "escalate", "request_id": 1, "pk": 7}` is answered with `{"action", "request_id",
"data", "errors", "response_status"}`. Source: djangochannelsrestframework 1.3.
"""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ValidationError

from .actions.answers import may_send
from .actions.authorization import (
    allow_everyone,
    authorize_action,
    authorize_connection,
    permission_instances,
    permissions_for,
    throttle_action,
)
from .actions.context import ActionContext, current_action
from .actions.detached import DetachedActions
from .actions.invocation import ActionFrame, ActionInvocation, ConsumerFrame
from .actions.options import follow_options
from .actions.plan import (
    RESERVED_ARGUMENTS,
    VIEW_HOOKS,
    ActionPlan,
    action_plans,
    check_methods,
    note_overridden_hooks,
    note_replaced_hooks,
)
from .authentication import Authentication
from .concurrency.awaitables import DONE, Sent
from .concurrency.execution import run
from .concurrency.hooks import wrap_async_hooks
from .concurrency.serial_queue import outlast_deadline
from .decorators import ACTION, DETACHED, overridable_property
from .dispatch.dispatcher import dispatch
from .dispatch.errors import error_reply, log_refusal
from .dispatch.invocation import DirectInvocation, Invocation
from .engine.connection import State
from .protocol.dialects import ActionDialect
from .protocol.messages import Call, Frame, Reply
from .request import SocketRequest
from .settings import api_settings
from .socket_consumer import WEBSOCKET_CONNECT, SocketConsumer

__all__ = ["AsyncAPIConsumer"]

logger = logging.getLogger("rest_channels")


WEBSOCKET_RECEIVE = SocketConsumer.websocket_receive
"""The method that no action needs. A test may replace it in the class, or in a consumer."""


class AsyncAPIConsumer(SocketConsumer):
    """A consumer whose frames name an action; the module's docstring has an example.

    Attributes:
        authentication_classes: DRF's. `None`: the setting `DEFAULT_AUTHENTICATION_CLASSES`.
        permission_classes: DRF's or this library's. `None`: `DEFAULT_PERMISSION_CLASSES`.
        throttle_classes: DRF's. `None`: `DEFAULT_THROTTLE_CLASSES`.
        refuse_after_accepting: Whether a refused client is accepted first, to receive the reason.
        check_deliveries: Whether permissions are checked again before a message of an observer.
        available_actions: The names that frames may use, with the names of their methods.
    """

    authentication_classes: Sequence[Any] | None = None
    permission_classes: Sequence[Any] | None = None
    throttle_classes: Sequence[Any] | None = None
    refuse_after_accepting: ClassVar[bool] = False
    check_deliveries: ClassVar[bool] = False
    available_actions: ClassVar[dict[str, str]] = {}

    _dialect = ActionDialect()
    _read_marks = (ACTION, DETACHED)
    _frame_class = ConsumerFrame
    _plans: ClassVar[dict[str, ActionPlan]] = {}
    # Whether the class overrides none of the hooks of each kind, and the functions of all of them.
    _default_reading = _default_checks = _default_replies = _default_throttles = True
    _default_authenticators = _default_connect = True
    _hooks: ClassVar[tuple[Any, ...]] = ()
    _authentication: Authentication = Authentication()
    """What authenticates the client. Until it has connected, the user in the scope counts."""
    _detached_actions: DetachedActions | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap_async_hooks(cls, VIEW_HOOKS)
        check_methods(cls, AsyncAPIConsumer)
        cls._plans = action_plans(cls, AsyncAPIConsumer)
        follow_options(cls, cls._plans.values())
        cls.available_actions = {name: plan.attribute for name, plan in cls._plans.items()}
        note_overridden_hooks(cls, AsyncAPIConsumer)

    def __init__(self, *args: Any, **initkwargs: Any) -> None:
        super().__init__(*args, **initkwargs)
        self._authentication = self._authentication  # as in `SocketConsumer.__call__`
        self._detached_actions = None

    @property
    def _detached(self) -> DetachedActions:
        if self._detached_actions is None:
            self._detached_actions = DetachedActions()
        return self._detached_actions

    @overridable_property
    def detached_tasks(self) -> list[Any]:
        """The tasks of the detached actions and methods that are running."""
        return self._detached.tasks

    @property
    def action_context(self) -> ActionContext:
        """The action that is running, with its request and its permissions."""
        context = current_action.get()
        if context is None or context.connection is not self._connection:
            return self._begin_action(None, "GET", {})
        return context

    @overridable_property
    def action(self) -> str | None:
        """The name of the action that is running, as in DRF's viewsets."""
        return self.action_context.action

    @overridable_property
    def request(self) -> SocketRequest:
        """The request that permissions, filters and serializers see."""
        return self.action_context.request

    @overridable_property
    def kwargs(self) -> dict[str, Any]:
        """The named groups of the route's path."""
        return self.action_context.kwargs

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Authenticate the client and check permissions, before the handshake is accepted."""
        note_replaced_hooks(self, AsyncAPIConsumer)  # also by an override of this method
        try:
            if (check := authorize_connection(self)) is not None:
                await check
        except Exception as error:
            accepting = api_settings.REFUSE_AFTER_ACCEPTING
            if self.refuse_after_accepting if accepting is None else accepting:
                raise
            log_refusal(self._connection, type(self), error)
            self.close()
            return
        if self._connection.state <= State.OPEN:  # else it was closed meanwhile
            await super().websocket_connect(message)

    def _connects_at_once(self) -> bool:
        note_replaced_hooks(self, AsyncAPIConsumer)
        plain = self._default_connect and self._default_checks and self._default_authenticators
        if not plain or self.groups or SocketConsumer.websocket_connect is not WEBSOCKET_CONNECT:
            return False
        return not self._authenticator_classes() and allow_everyone(self.permission_classes)

    def _invocation(self, frame: Frame) -> Invocation:
        """Return the steps of a frame: those of an action, unless it overrides how to read."""
        text, receive = frame[0], getattr(self.websocket_receive, "__func__", None)
        if text is not None and self._default_reading and receive is WEBSOCKET_RECEIVE:
            return ActionFrame(self, text)
        return super()._invocation(frame)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Run the action that the content of a frame names."""
        call = self._dialect.parse_call(content)
        named = {key: value for key, value in content.items() if key != "request_id"}
        try:
            action, arguments = await run(self.get_action_name, named, **kwargs)
        except KeyError:
            raise self._dialect.handler_not_found(call._replace(data=content)) from None
        if wrong := arguments.keys() & {"self", *RESERVED_ARGUMENTS}:
            raise ValidationError({name: [_("There is no such argument.")] for name in wrong})
        if self._connection.state <= State.OPEN:  # a revocation may have closed it meanwhile
            await self.handle_action(action, call.request_id, **arguments)

    async def get_action_name(
        self, content: dict[str, Any], **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """Return the name of a frame's action, and its arguments. Raise `KeyError` without one."""
        return content.pop("action"), content

    async def handle_action(self, action: str, request_id: Any, **kwargs: Any) -> None:
        """Find `action`, check permissions and throttles, call it, and answer its client."""
        before = current_action.get()
        try:
            await dispatch(ActionInvocation(self, action, request_id, kwargs))
        finally:
            current_action.set(before)

    def _begin_action(
        self, action: str | None, method: str, arguments: dict[str, Any], options: Any = None
    ) -> ActionContext:
        context = ActionContext(action, self._connection, method, arguments)
        context.options = options
        current_action.set(context)
        return context

    async def _authenticate(self, action: Any, arguments: dict[str, Any]) -> tuple[Any, int]:
        """Run the action `authenticate`, which consumers with authenticators have."""
        if action != "authenticate" or not self._authentication.authenticators:
            raise self._dialect.handler_not_found(Call(None, {"action": action}))
        context = self._begin_action(action, "POST", arguments)
        if (check := throttle_action(self, context)) is not None:
            await check
        await self._authentication.reauthenticate(arguments.get("token"), arguments.get("scheme"))
        return {"user": getattr(self.scope["user"], "pk", None)}, status.HTTP_200_OK

    async def get_authenticators(self) -> Sequence[Any]:
        """Return the authenticators of the connection, as instances."""
        return [authenticator() for authenticator in self._authenticator_classes()]

    async def get_permissions(self, action: str | None = None, **kwargs: Any) -> Sequence[Any]:
        """Return the permissions for `action` (`"connect"`: the handshake), as instances."""
        return permission_instances(self.permission_classes)

    async def check_permissions(self, action: Any, **kwargs: Any) -> None:
        """Raise 401 or 403 where `action` is refused. As in DRF, it may be the request."""
        context = self.action_context
        name = action if isinstance(action, str) else context.action
        context.permissions = await permissions_for(self, name, kwargs)
        await authorize_action(context, self)

    def get_throttles(self) -> Sequence[Any]:
        """Return the throttles for every action, `authenticate` included, as instances."""
        own = self.throttle_classes
        classes = api_settings.DEFAULT_THROTTLE_CLASSES if own is None else own
        return [throttle() for throttle in classes]

    def _authenticator_classes(self) -> Sequence[Any]:
        default, own = api_settings.DEFAULT_AUTHENTICATION_CLASSES, self.authentication_classes
        return default if own is None else own

    async def handle_exception(self, exc: Exception, action: str | None, request_id: Any) -> None:
        """Answer an action that raised `exc`, as DRF would. Log any other error, and answer 500."""
        invocation = DirectInvocation(self._connection, "receive", (self.handle_action, (), {}))
        refusal = error_reply(invocation, exc)
        errors = [_("Not found")] if isinstance(exc, Http404) else refusal.errors
        answer = {"errors": errors, "status": refusal.status, "request_id": request_id}
        await outlast_deadline(self.reply(action, **answer))

    def reply(
        self,
        action: str | None,
        data: Any = None,
        errors: Any = None,
        status: int = status.HTTP_200_OK,
        request_id: Any = None,
    ) -> Sent:
        """Send `{"errors", "data", "action", "response_status", "request_id"}`."""
        reply = Reply(Call(action, None, request_id), data, status, errors)
        return self.send_json(self._dialect.build_reply(reply))

    def send(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        close: bool | int = False,
    ) -> Sent:
        """Send a frame, as `SocketConsumer.send` does."""
        if may_send(text_data, bytes_data):
            return super().send(text_data, bytes_data, close)
        return self.close(close) if close else DONE

    _default_senders = (*SocketConsumer._default_senders, send)

    def _request_new_token(self) -> None:
        self._detached.end()
        errors = [_("Your token has expired. Send another one.")]
        self.reply("authenticate", errors=errors, status=status.HTTP_401_UNAUTHORIZED)

    async def handle_detached_task_completion(self, task: Any) -> None:
        """Called when a detached action has ended, with the task it ran in."""


wrap_async_hooks(AsyncAPIConsumer, VIEW_HOOKS)
note_overridden_hooks(AsyncAPIConsumer, AsyncAPIConsumer)
