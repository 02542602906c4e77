"""The engine's ResourceProvider service: each call goes to one resource type, each error becomes one line.

Touches the endpoint the provider is configured for.
"""

import functools
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

from google.protobuf import any_pb2, empty_pb2

from sandbox.pulumi_plugins.protocol import (
    grpc,
    installed_version,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from sandbox.pulumi_plugins.provider import changes, checks
from sandbox.pulumi_plugins.provider.bridge import EngineLog, returned
from sandbox.pulumi_plugins.provider.configuration import Configuration, configure
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import (
    NotReadyError,
    ProviderError,
    aws_errors,
    error_message,
    none_if_missing,
)
from sandbox.pulumi_plugins.provider.resource_type import ResourceType
from sandbox.pulumi_plugins.provider.resources import find_resource_type
from sandbox.pulumi_plugins.provider.schema import ResourceSchema, package_schema, resource_schema
from sandbox.pulumi_plugins.provider.values import Properties, defaults_in, from_struct, to_struct

# The engine takes this code as "failed, nothing changed"; after UNKNOWN it doubts its state.
_FAILED = grpc.StatusCode.FAILED_PRECONDITION
_ACTIONS = {
    (changes.Action.ADD, False): provider_pb2.PropertyDiff.ADD,
    (changes.Action.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (changes.Action.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (changes.Action.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (changes.Action.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (changes.Action.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}

DURATIONS = "PULUMI_SANDBOX_DURATIONS"
"""The variable with a part of the real durations: 1 is all of them, 0.05 a twentieth; empty or 0 is none.

Named as the engine's own variables are: the wizard passes only those on to it.
"""


def _translate_errors(action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Translate AWS's errors into one line for the user; any other exception is a bug and keeps its traceback."""

    def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(self: Any, request: Any, context: Any) -> Any:
            try:
                return call(self, request, context)
            except NotReadyError as error:
                reason = self.reported(str(error), request, action)
                context.set_trailing_metadata((("grpc-status-details-bin", _details(error, reason)),))
                context.abort(_FAILED, reason)
            except ProviderError as error:
                context.abort(_FAILED, str(error))
            except aws_errors() as error:
                display_name, name = _subject(request)
                text = error_message(error, action=action, display_name=display_name, name=name)
                context.abort(_FAILED, self.reported(text, request, action))
            except Exception:  # noqa: BLE001 - a bug: the engine hides what a plug-in writes to standard error
                context.abort(grpc.StatusCode.INTERNAL, f"{action} failed, a bug:\n{traceback.format_exc()}")

        return wrapper

    return decorate


def _details(error: NotReadyError, reason: str) -> bytes:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=to_struct(error.state),
            inputs=error.inputs,
            reasons=[reason],
        )
    )
    status: bytes = status_pb2.Status(code=_FAILED.value[0], message=reason, details=[detail]).SerializeToString()
    return status


def _subject(request: Any) -> tuple[str, str]:
    urn = getattr(request, "urn", "")
    if not urn:
        return getattr(request, "tok", ""), ""
    name = getattr(request, "id", "") or urn.rsplit("::", 1)[-1]
    return find_resource_type(_token(urn)).display_name, name


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


class AwsProvider(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, log: EngineLog | None = None) -> None:
        """Unconfigured; the engine calls Configure before it asks for a resource. `log` is that of the engine."""
        self._configuration: Configuration | None = None
        self._log = log or EngineLog("")

    def reported(self, reason: str, request: Any, action: str) -> str:
        """The error of a change, logged, as it is returned; of any other call, the reason."""
        urn = getattr(request, "urn", "")
        if not urn or action not in ("creating", "updating", "deleting"):
            return reason
        self._log.error(reason, urn)
        return returned(reason, action=action, urn=urn)

    def Handshake(self, request: Any, context: Any) -> Any:
        """No secrets, resource references or outputs on the wire: the engine marks secrets itself."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False)

    def Attach(self, request: Any, context: Any) -> Any:
        """Do nothing: the provider never calls the engine."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of the SDK whose types are used."""
        return plugin_pb2.PluginInfo(version=installed_version("pulumi-aws"))

    def GetSchema(self, request: Any, context: Any) -> Any:
        """The schema of the supported resource types."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps(package_schema()))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Reject configuration that the SDK's provider does not have."""
        inputs = from_struct(request.news)
        failures = Configuration.failures(inputs)
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures],
        )

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """A changed configuration updates the provider; resources are diffed separately."""
        old, new = from_struct(request.olds), from_struct(request.news)
        names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        some = provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=names)

    def Configure(self, request: Any, context: Any) -> Any:
        """Read the configuration and check that the credentials belong to an allowed account."""
        try:
            self._configuration = configure(from_struct(request.args), os.environ)
        except ProviderError as error:
            context.abort(_FAILED, str(error))
        except aws_errors() as error:
            context.abort(_FAILED, f"unable to validate AWS credentials. Details: {error}")
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    @_translate_errors("checking")
    def Check(self, request: Any, context: Any) -> Any:
        """Validate inputs by the installed SDK's types and add the real provider's defaults."""
        resource_type, schema = self._resource_type(request.urn)
        configuration = self._require_configuration()
        inputs, failures = checks.check_inputs(
            resource_type,
            schema,
            resource=request.urn.rsplit("::", 1)[-1],
            inputs=from_struct(request.news),
            recorded=from_struct(request.olds),
            default_tags=configuration.default_tags,
            region=configuration.endpoint.settings.region,
            seed=request.randomSeed,
        )
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs),
            failures=[provider_pb2.CheckFailure(property=failure.name, reason=failure.reason) for failure in failures],
        )

    @_translate_errors("comparing")
    def Diff(self, request: Any, context: Any) -> Any:
        """The properties that change, and those of them that replace the resource."""
        resource_type, schema = self._resource_type(request.urn)
        state, inputs = from_struct(request.olds), from_struct(request.news)
        changed = changes.changes(resource_type, schema, state, inputs, request.ignoreChanges)
        replaces = sorted({change.name for change in changed if change.replaces})
        # Two resources cannot have one name: the old one is deleted first when the new one keeps it.
        name = resource_type.name_input
        keeps_name = bool(name) and name not in replaces and state.get(name) == inputs.get(name)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted({change.name for change in changed}),
            deleteBeforeReplace=bool(replaces) and keeps_name,
            hasDetailedDiff=True,
            detailedDiff={
                change.path: provider_pb2.PropertyDiff(kind=_ACTIONS[change.action, change.replaces])
                for change in changed
            },
        )

    @_translate_errors("creating")
    def Create(self, request: Any, context: Any) -> Any:
        """Create a resource; one whose later steps fail is recorded with an initialization error."""
        resource_type, schema = self._resource_type(request.urn)
        inputs = from_struct(request.properties)
        plan = changes.planned(resource_type, schema, inputs)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(plan))
        region = self._region(inputs)
        resource_id = resource_type.create(region, inputs)
        # As the real provider, which waits until AWS has it everywhere: it is made, and nobody has heard of it.
        time.sleep(resource_type.creation_seconds * float(os.environ.get(DURATIONS) or 0))
        aws_failures: tuple[type[Exception], ...] = (ProviderError, *aws_errors())
        try:
            resource_type.complete(region, resource_id, inputs)
            state = self._state(resource_type, schema, region, resource_id, inputs)
            state = changes.with_planned_nulls(state, plan)
        except aws_failures as error:
            reason = error_message(error, action="creating", display_name=resource_type.display_name, name=resource_id)
            # As the real provider: it records the planned values, not AWS's, so the next update finds no difference.
            state, sent = changes.known(plan), request.properties
            raise NotReadyError(reason, resource_id=resource_id, state=state, inputs=sent) from error
        return provider_pb2.CreateResponse(id=resource_id, properties=to_struct(state))

    @_translate_errors("reading")
    def Read(self, request: Any, context: Any) -> Any:
        """The resource in AWS; an empty id where it does not exist."""
        resource_type, schema = self._resource_type(request.urn)
        known, recorded = from_struct(request.properties), from_struct(request.inputs)
        region = self._region({**recorded, **known})
        current = resource_type.current(region, request.id, {**recorded, **known})
        if current is None:
            return provider_pb2.ReadResponse()
        current.setdefault("region", region.name)
        state = changes.state_to_record(resource_type, schema, current, {**recorded, **known})
        resource_id = resource_type.recorded_id(request.id, state)
        if recorded:
            filled_in = defaults_in(request.inputs)
            inputs = changes.refreshed_inputs(resource_type, schema, state, recorded, filled_in)
        else:
            inputs = changes.imported_inputs(resource_type, schema, state)
        return provider_pb2.ReadResponse(
            id=resource_id, properties=to_struct({"id": resource_id, **state}), inputs=to_struct(inputs)
        )

    @_translate_errors("updating")
    def Update(self, request: Any, context: Any) -> Any:
        """Apply changed inputs."""
        resource_type, schema = self._resource_type(request.urn)
        state, inputs = from_struct(request.olds), from_struct(request.news)
        plan = changes.planned(resource_type, schema, inputs, state)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(plan))
        difference = changes.changes(resource_type, schema, state, inputs, request.ignoreChanges)
        changed = {change.name for change in difference} - {"tagsAll"}
        region = self._region(state)
        aws_failures: tuple[type[Exception], ...] = (ProviderError, *aws_errors())
        try:
            resource_type.update(region, request.id, state, inputs, frozenset(changed))
            current = self._state(resource_type, schema, region, request.id, inputs)
        except aws_failures as error:
            reason = error_message(error, action="updating", display_name=resource_type.display_name, name=request.id)
            # As the real provider: it records the planned values with the error, even if AWS has the old ones.
            state, sent = changes.known(plan), request.news
            raise NotReadyError(reason, resource_id=request.id, state=state, inputs=sent) from error
        return provider_pb2.UpdateResponse(properties=to_struct(changes.with_planned_nulls(current, plan)))

    @_translate_errors("deleting")
    def Delete(self, request: Any, context: Any) -> Any:
        resource_type, _ = self._resource_type(request.urn)
        state = from_struct(request.properties)
        region = self._region(state)
        none_if_missing(lambda: resource_type.delete(region, request.id, state), *resource_type.not_found)
        return empty_pb2.Empty()

    @_translate_errors("invoking")
    def Invoke(self, request: Any, context: Any) -> Any:
        """Whose credentials the provider uses: the one data source that programs here read."""
        if request.tok != "aws:index/getCallerIdentity:getCallerIdentity":
            raise ProviderError(f"the sandbox's AWS provider has no function {request.tok}")
        identity = self._region({}).endpoint.identity
        account = identity["Account"]
        response = {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}
        return provider_pb2.InvokeResponse(**{"return": to_struct(response)})

    def Cancel(self, request: Any, context: Any) -> Any:
        """Operations are short: they continue to their end."""
        return empty_pb2.Empty()

    def _require_configuration(self) -> Configuration:
        if self._configuration is None:
            raise ProviderError("the provider has not been configured")
        return self._configuration

    def _region(self, properties: Properties) -> Region:
        region = properties.get("region")
        return self._require_configuration().endpoint.in_region(region if isinstance(region, str) else None)

    def _resource_type(self, urn: str) -> tuple[ResourceType, ResourceSchema]:
        token = _token(urn)
        return find_resource_type(token), resource_schema(token)

    def _state(
        self, resource_type: ResourceType, schema: ResourceSchema, region: Region, resource_id: str, inputs: Properties
    ) -> Properties:
        current = resource_type.current(region, resource_id, inputs)
        if current is None:
            raise ProviderError(f"reading {resource_type.display_name} ({resource_id}): couldn't find resource")
        current.setdefault("region", region.name)
        return {"id": resource_id, **changes.state_to_record(resource_type, schema, current, inputs)}
