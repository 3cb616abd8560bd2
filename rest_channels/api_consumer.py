"""`AsyncAPIConsumer`: actions over a socket, in the words of djangochannelsrestframework.

    class Tickets(AsyncAPIConsumer):
        permission_classes = [IsAuthenticated]

        @action()
        def escalate(self, pk):
            ticket = Ticket.objects.get(pk=pk)
            return ticket.escalate(), 200

`{"action": "escalate", "request_id": 1, "pk": 7}` is answered with `{"action", "request_id",
"data", "errors", "response_status"}`. Source: djangochannelsrestframework 1.3 (seeds 001, 004).
"""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied as Forbidden
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError

from .actions.authorization import (
    authorize_action,
    authorize_connection,
    permission_instances,
)
from .actions.context import ActionContext, current_action
from .actions.detached import DetachedActions
from .actions.hooks import acall_hook, instance_attribute_or, wrap_async_hooks
from .actions.plan import (
    CHECKING_HOOKS,
    READING_HOOKS,
    REPLYING_HOOKS,
    RESERVED_ARGUMENTS,
    VIEW_HOOKS,
    ActionPlan,
    action_plans,
    overrides_none,
)
from .authentication import Authentication
from .concurrency.awaitables import Sent
from .concurrency.execution import run
from .dispatch.errors import error_reply
from .dispatch.invocation import DirectInvocation
from .parsers import JSONParser
from .protocol.arguments import fit_arguments
from .protocol.dialects import ActionDialect
from .protocol.messages import Call, Reply
from .renderers import encode
from .request import SocketRequest
from .settings import api_settings
from .socket_consumer import SocketConsumer
from .throttling import check_throttles

__all__ = ["AsyncAPIConsumer"]

logger = logging.getLogger("rest_channels")


class AsyncAPIConsumer(SocketConsumer):
    """A consumer whose frames name an action; see the module's text for an example.

    `permission_classes` are DRF's or this library's (`None`: the setting
    `DEFAULT_PERMISSION_CLASSES`), `authentication_classes` are DRF's (`None`:
    `DEFAULT_AUTHENTICATION_CLASSES`), and so are `throttle_classes`. `available_actions` are the
    names that frames may use, with the methods they lead to.
    """

    authentication_classes: Sequence[Any] | None = None
    permission_classes: Sequence[Any] | None = None
    throttle_classes: Sequence[Any] | None = None
    check_deliveries: ClassVar[bool] = False
    """Whether permissions are asked, the row's as well, before each thing that observers tell."""
    available_actions: ClassVar[dict[str, str]] = {}

    _dialect = ActionDialect()
    _plans: ClassVar[dict[str, ActionPlan]] = {}
    _reads_as_we_do: ClassVar[bool] = True  # then a frame need not pass all the methods below
    _checks_as_we_do: ClassVar[bool] = True
    _replies_as_we_do: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap_async_hooks(cls, VIEW_HOOKS)
        cls._plans = action_plans(cls, AsyncAPIConsumer)
        cls.available_actions = {name: plan.attribute for name, plan in cls._plans.items()}
        cls._reads_as_we_do = overrides_none(cls, AsyncAPIConsumer, READING_HOOKS)
        cls._checks_as_we_do = overrides_none(cls, AsyncAPIConsumer, CHECKING_HOOKS)
        cls._replies_as_we_do = overrides_none(cls, AsyncAPIConsumer, REPLYING_HOOKS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._detached = DetachedActions(self)
        self.detached_tasks = self._detached.tasks

    @property
    def action_context(self) -> ActionContext:
        """The action that is running, with its request and its permissions."""
        asked = current_action.get()
        if asked is None:
            current_action.set(asked := ActionContext(None, self._connection))
        return asked

    @instance_attribute_or
    def action(self) -> str | None:
        """The name of the action that is running, as in DRF's viewsets."""
        return self.action_context.action

    @instance_attribute_or
    def request(self) -> SocketRequest:
        """The request that permissions, filters and serializers see."""
        return self.action_context.request

    @instance_attribute_or
    def kwargs(self) -> dict[str, Any]:
        """What the route found in the path."""
        return self.action_context.kwargs

    # The road in. Each step may be overridden, as in djangochannelsrestframework.

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """The handshake has come: refuse it before it is accepted, or go on."""
        try:
            await self._admit()
        except Exception as error:
            if api_settings.REFUSE_AFTER_ACCEPTING:
                raise
            if not isinstance(error, APIException | Http404 | Forbidden):
                logger.exception("%r cannot be admitted.", self._connection)
            self.close()
            return
        await super().websocket_connect(message)

    async def _admit(self) -> None:
        """Find out who connects, and whether he may. Raises 401, 403."""
        own = self.authentication_classes
        classes = api_settings.DEFAULT_AUTHENTICATION_CLASSES if own is None else own
        self._authentication = Authentication(classes, self._connection, self._ask_for_token)
        await authorize_connection(
            self, self._authentication, SocketRequest(self._connection, "connect")
        )

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A frame has come."""
        text = message.get("text")
        if not self._reads_as_we_do or text is None:
            await super().websocket_receive(message)
            return
        content = JSONParser().parse(text)
        call = self._dialect.parse_call(content)
        if "action" not in content:
            raise self._dialect.handler_not_found(call)
        arguments = {
            name: value for name, value in content.items() if name not in RESERVED_ARGUMENTS
        }
        await self._do(content["action"], call.request_id, arguments)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Find out what a frame asks for, and do it."""
        call = self._dialect.parse_call(content)
        asked = {name: value for name, value in content.items() if name != "request_id"}
        try:
            action, arguments = await run(self.get_action_name, asked, **kwargs)
        except KeyError:
            raise self._dialect.handler_not_found(call._replace(data=content)) from None
        if wrong := arguments.keys() & {"self", *RESERVED_ARGUMENTS}:
            raise ValidationError({name: [_("There is no such argument.")] for name in wrong})
        await self.handle_action(action, call.request_id, **arguments)

    async def get_action_name(
        self, content: dict[str, Any], **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """The name of the action that a frame asks for, and its arguments. Raises `KeyError`."""
        return content.pop("action"), content

    async def handle_action(self, action: str, request_id: Any, **kwargs: Any) -> None:
        """Do `action` for a client: look it up, ask for permission, call it, answer."""
        await self._do(action, request_id, kwargs)

    async def _do(self, action: str, request_id: Any, arguments: dict[str, Any]) -> None:
        before, asked = current_action.get(), None
        try:
            plan = self._plans.get(action) if isinstance(action, str) else None
            if plan is None:
                return await self._do_our_own(action, request_id, arguments)
            asked = self._begin(action, plan.method, arguments)
            expiries = self._authentication.expiries
            if not self._checks_as_we_do:
                await acall_hook(self.check_permissions, action, arguments=arguments)
            else:
                asked.permissions = self._make_permissions()
                if asked.permissions:
                    await self._permit(asked)
            if throttles := self.get_throttles():
                await check_throttles(throttles, asked.request, self)
            own = {"action": action, "request_id": request_id} if plan.takes_own else {}
            self._authentication.insist(expiries)
            work = getattr(self, plan.attribute)(**fit_arguments(plan.parameters, arguments, own))
            if plan.detached:
                self._detached.begin(work, action, request_id, asked)
                asked = None
            else:
                await self._answer(await work, action, request_id)
        except Exception as error:  # noqa: BLE001 - the one place that turns errors into answers
            await run(self.handle_exception, error, action=action, request_id=request_id)
        finally:
            current_action.set(before)  # an action may have another one done on its way
            if asked is not None:
                asked.mark_answered()

    def _begin(self, action: str, method: str, arguments: dict[str, Any]) -> ActionContext:
        """From now on this is what is asked."""
        current_action.set(asked := ActionContext(action, self._connection, method, arguments))
        return asked

    async def _do_our_own(self, action: Any, request_id: Any, arguments: dict[str, Any]) -> None:
        """The action `authenticate`, where there are authenticators: be whom a token names."""
        if action != "authenticate" or not self._authentication.authenticators:
            raise self._dialect.handler_not_found(Call(None, {"action": action}))
        asked = self._begin(action, "POST", arguments)
        if throttles := self.get_throttles():
            await check_throttles(throttles, asked.request, self)
        await self._authentication.again(arguments.get("token"), arguments.get("scheme"))
        user = {"user": getattr(self.scope["user"], "pk", None)}
        await self.reply("authenticate", data=user, request_id=request_id)

    async def get_permissions(self, action: str, **kwargs: Any) -> Sequence[Any]:
        """The permissions to ask for `action` (`"connect"` for the handshake), as instances."""
        return self._make_permissions()

    async def check_permissions(self, action: str, **kwargs: Any) -> None:
        """Raise `NotAuthenticated` (401) or `PermissionDenied` (403) where `action` is refused."""
        asked = self.action_context
        asked.permissions = await acall_hook(self.get_permissions, action, arguments=kwargs)
        await self._permit(asked)

    def get_throttles(self) -> Sequence[Any]:
        """The throttles to ask for every action, as instances; `authenticate` is one."""
        classes = self.throttle_classes
        if classes is None:
            classes = api_settings.DEFAULT_THROTTLE_CLASSES
        return [one() for one in classes]

    def _make_permissions(self) -> Sequence[Any]:
        classes = self.permission_classes
        return permission_instances(
            api_settings.DEFAULT_PERMISSION_CLASSES if classes is None else classes
        )

    async def _permit(self, asked: ActionContext) -> None:
        try:
            await authorize_action(asked, self)
        except PermissionDenied as error:
            raise self._authentication.refusal(error) from error

    async def handle_exception(self, exc: Exception, action: str | None, request_id: Any) -> None:
        """Tell the client of `exc`: what DRF would say, else a 500 whose traceback is logged."""
        invocation = DirectInvocation(self._connection, "receive", (self.handle_action, (), {}))
        refusal = error_reply(invocation, exc)
        errors = [_("Not found")] if isinstance(exc, Http404) else refusal.errors
        await self.reply(action, errors=errors, status=refusal.status, request_id=request_id)

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

    async def _answer(self, response: Any, action: str, request_id: Any) -> None:
        """Send what an action returned: `(data, status)`, or nothing for `None`."""
        if isinstance(response, tuple) and len(response) == 2:
            data, code = response
            if self._replies_as_we_do:
                reply = self._dialect.build_content(action, data, code, request_id)
                await self._connection.answer(encode(reply).decode())
            else:
                await self.reply(action, data=data, status=code, request_id=request_id)
        elif response is not None:
            logger.warning(
                "%s.%s returned %.60r, which is not sent: return (data, status), or None.",
                type(self).__name__,
                self.available_actions[action],
                response,
            )

    def _ask_for_token(self) -> None:
        self._detached.end()
        words = [_("Your token has expired. Send another one.")]
        self.reply("authenticate", errors=words, status=status.HTTP_401_UNAUTHORIZED)

    async def handle_detached_task_completion(self, task: Any) -> None:
        """A detached action has ended; `task` is what it ran in."""
