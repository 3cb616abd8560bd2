"""Names of Django, DRF, Channels and DCRF that have no effect here, with what to write instead.

A name is refused only in a class without a base of this library that supports it.
"""

from collections.abc import Iterable

__all__ = [
    "ACTION_OPTIONS",
    "ATTRIBUTES",
    "METHODS",
    "OPTIONS",
    "SETUP",
    "SYNONYMS",
    "refuse_options",
]

_FRAMES = "frames are JSON; a SocketView has text_parser_class and text_renderer_class"
_GENERIC = "derive the class from GenericAsyncAPIConsumer"
_HTTP = "a WebSocket has no HTTP methods; @action(http_method=…) tells permissions which one to see"
_PERMISSIONS = "derive the class from AsyncAPIConsumer or SocketView, or check self.scope['user']"
_PERMISSION_HOOK = "write permission_classes or get_permissions()"
_THROTTLES = "derive the class from AsyncAPIConsumer or SocketView"
_CONNECTION_AUTH = (
    "a connection is authenticated once: write it in a class derived from AsyncAPIConsumer"
)
_HTTP_ROUTE = "a frame has no HTTP method: delete it"
_VERSION = "put the version into the path or the action's name"
_SCOPE_USER = "each class has the user and the session of the handshake: delete the line"
_ORDER = "frames of one connection are always handled in order: delete the line"
_RESPONSE = "an answer has no headers: override reply() or handle_exception()"

ATTRIBUTES: dict[str, str] = {
    # Channels 1
    "channel_session": "write @channel_session of rest_channels.sessions above a method",
    "channel_session_user": _SCOPE_USER,
    "http_user_and_session": _SCOPE_USER,
    "method_mapping": "name the methods connect, receive and disconnect",
    "slight_ordering": _ORDER,
    "strict_ordering": _ORDER,
    # Channels
    "channel_layer_alias": "the layer 'default' of CHANNEL_LAYERS is used",
    "groups": "call self.join(name) in connect()",
    # DCRF
    "available_actions": "it is made from the methods marked @action",
    "observer_many_to_many_relationships": "derive the class from ObserverModelInstanceMixin",
    "live_limit": "derive the class from ObserverModelListMixin",
    "sleep_time_between_pages": "derive the class from StreamedPaginatedListMixin",
    # DRF
    "allowed_methods": _HTTP,
    "authentication_classes": _CONNECTION_AUTH,
    "content_negotiation_class": _FRAMES,
    "default_response_headers": _RESPONSE,
    "filter_backends": _GENERIC,
    "lookup_field": _GENERIC,
    "lookup_url_kwarg": _GENERIC,
    "metadata_class": "there is no OPTIONS request",
    "pagination_class": "derive the class from PaginatedModelListMixin",
    "parser_classes": _FRAMES,
    "permission_classes": _PERMISSIONS,
    "queryset": _GENERIC,
    "renderer_classes": _FRAMES,
    "schema": "actions are in no OpenAPI schema: delete the line",
    "serializer_class": _GENERIC,
    "throttle_classes": _THROTTLES,
    "throttle_scope": _THROTTLES,
    "versioning_class": _VERSION,
    # Django
    "http_method_names": _HTTP,
    "permission_required": _PERMISSION_HOOK,
    # REST Channels
    "bytes_parser_class": "only a SocketView has it: override receive()",
    "bytes_renderer_class": "only a SocketView has it: call self.send(bytes_data=…)",
    "check_deliveries": "derive the class from AsyncAPIConsumer, which has observers",
    "dialect": "only a SocketView has it: override receive_json()",
    "http_user": "the user is always that of the HTTP session: delete the line",
    "login_required": "only a RoutedSocketHandler has it: write permission_classes",
    "receives": "write @action(request=…) or @socket_route(request=…) above the method",
    "routes": "derive the class from RoutedSocketHandler",
    "text_parser_class": "only a SocketView has it: override decode_json()",
    "text_renderer_class": "only a SocketView has it: override encode_json()",
}
"""Class attributes."""

SYNONYMS = {
    "auth_classes": "authentication_classes",
    "authentication": "authentication_classes",
    "authenticators": "authentication_classes",
    "filters": "filter_backends",
    "HISTORIES": "histories",
    "history": "histories",
    "permission": "permission_classes",
    "permissions": "permission_classes",
    "throttles": "throttle_classes",
    "throttling_classes": "throttle_classes",
}
"""Names that are refused for a value that the attribute meant could have."""

METHODS: dict[str, str] = {
    # Channels 1
    "connection_groups": "write groups = [name] in the class, or join groups in connect()",
    # DCRF
    "get_view_args": "the frame's `parameters` and the path give the view's arguments",
    "subscribed_requests": "use the argument subscribing_request_ids of an observer's handler",
    # Django
    "dispatch": "override websocket_receive() or handle_action(); mixins that override dispatch(), "
    "such as LoginRequiredMixin, become permission_classes",
    "http_method_not_allowed": _HTTP,
    # DRF
    "check_object_permissions": _GENERIC,
    "check_permissions": _PERMISSIONS,
    "check_throttles": "override get_throttles()",
    "destroy": "the action is named delete: write @action() def delete(self, **kwargs)",
    "determine_version": _VERSION,
    "finalize_response": _RESPONSE,
    "get_authenticate_header": _RESPONSE,
    "get_authenticators": "write authentication_classes",
    "get_content_negotiator": _FRAMES,
    "get_exception_handler": "override handle_exception(), or set EXCEPTION_HANDLER",
    "get_exception_handler_context": "override handle_exception(), or set EXCEPTION_HANDLER",
    "get_parser_context": _FRAMES,
    "get_parsers": _FRAMES,
    "get_permissions": _PERMISSIONS,
    "get_renderer_context": _FRAMES,
    "get_renderers": _FRAMES,
    "get_success_headers": _RESPONSE,
    "get_throttles": _THROTTLES,
    "handle_exception": "derive the class from AsyncAPIConsumer or SocketView",
    "initial": "override check_permissions()",
    "initialize_request": "override websocket_receive()",
    "partial_update": "the action is named patch: write @action() def patch(self, **kwargs)",
    "perform_authentication": "write authentication_classes",
    "perform_content_negotiation": _FRAMES,
    "perform_destroy": "its name is perform_delete()",
    "permission_denied": "override handle_exception()",
    "raise_uncaught_exception": "override handle_exception()",
    "throttled": "override handle_exception()",
}
"""Methods that would never be called."""

SETUP = (
    "only views of Django have it: override check_permissions() to refuse an event, or rename it"
)
"""For a method `setup` that takes a request. Any other method of this name may be a helper."""

ACTION_OPTIONS = (
    "permission_classes",
    "throttle_classes",
    "throttle_scope",
    "queryset",
    "serializer_class",
    "filter_backends",
    "pagination_class",
    "lookup_field",
    "lookup_url_kwarg",
    "filterset_class",
    "filterset_fields",
    "search_fields",
    "ordering_fields",
    "ordering",
)
"""Attributes that `@action` may set for the time of one action, as in DRF's viewsets."""

_CLASS_GUARD = "write it in the class"
_NOT_NEEDED = "delete it: each observer has a name of its own"

OPTIONS: dict[str, dict[str, str]] = {
    "@action": {
        "methods": 'write http_method="POST", the one that permissions see',
        "url_path": "a frame names the action: write name=",
        "url_name": "a frame names the action: write name=",
        "suffix": "write a docstring",
        "description": "write a docstring",
        "authentication_classes": "a connection is authenticated once: write it in the class",
        "content_negotiation_class": _FRAMES,
        "metadata_class": ATTRIBUTES["metadata_class"],
        "parser_classes": _FRAMES,
        "renderer_classes": _FRAMES,
        "schema": "actions are in no OpenAPI schema: delete it",
        "versioning_class": _VERSION,
    },
    "@socket_route": {
        "atomic": "write @transaction.atomic below @socket_route",
        "detached": "only methods of an AsyncAPIConsumer can be detached",
        "http_method": _HTTP_ROUTE,
        "methods": _HTTP_ROUTE,
        "permission_classes": _CLASS_GUARD,
        "throttle_classes": _CLASS_GUARD,
        "url_path": "a frame names the route: write @socket_route('name')",
    },
    "@live_query": {
        "filter_backends": "only subscribe_list has filters: filter the queryset in the method",
        "live_limit": "slice the queryset in the method: [:50]",
        "permission_classes": "write it in the @action that subscribes",
        "queryset": "return it from the method",
    },
    "@observer": {
        "many_to_many": "only model_observer has it",
        "model": "use model_observer",
        "partition": _NOT_NEEDED,
        "permission_classes": f"{_CLASS_GUARD}, with check_deliveries = True",
        "serializer_class": "mark a function with @name.serializer, where name is the observer's",
    },
    "@model_observer": {
        "dispatch_uid": _NOT_NEEDED,
        "permission_classes": f"{_CLASS_GUARD}, with check_deliveries = True",
        "queryset": "choose rows in @name.groups_for_signal, where name is the observer's",
        "sender": "the model is the first argument",
        "weak": "an observer lives as long as its class: delete it",
    },
}
"""Options of decorators that have no effect, with what to write instead."""


def refuse_options(decorator: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `TypeError` for the first option in `given` that is not `known`."""
    for name in given:
        if name not in known:
            advice = OPTIONS[decorator].get(name) or f"it takes {', '.join(known)}"
            raise TypeError(f"{decorator} has no option {name!r}: {advice}.")
