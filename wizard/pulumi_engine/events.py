"""The engine's event stream as facts: progress, the causes of a failure, and the drift; the CLI's errors.

Part of the client of Pulumi: touches nothing but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.settings import PROJECT
from wizard.core import errors
from wizard.core.models.inputs import StepState
from wizard.core.models.stack import Drift, DriftKind, OnProgress, Progress, Step
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.core.safe_text import first_of, without_authorization_id
from wizard.core.state_backend import ENTER_PASSPHRASE
from wizard.pulumi_engine import plan

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent


_COLOUR = re.compile(r"<\{%[^%]*%\}>")


class Watch:
    """Turns the engine's event stream into Progress, and stores the messages that explain a failure."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self.planned: dict[str, Step] = {}
        self.complaints: list[tuple[str, str]] = []
        """Every error: the URN of its resource, empty for none, and its text."""
        self.violations: list[str] = []
        self.failed: list[Step] = []
        """The steps that failed: creations, updates, deletions."""
        self.bound = False
        """Whether the engine is bound to a plan."""
        self.outputs: Mapping[str, Any] = {}
        """The stack's outputs, once the engine has sent them."""

    @property
    def failures(self) -> list[str]:
        """The texts of the errors, without duplicates."""
        return list(dict.fromkeys(text for _, text in self.complaints))

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            step = _step(event.resource_pre_event.metadata)
            # An import is reported twice, before and after its changes: the second is a separate step.
            self.planned[f"import {step.urn}" if step.op == "import" else step.urn] = step
            self._report(step, StepState.STARTED)
        elif event.res_outputs_event:
            metadata = event.res_outputs_event.metadata
            if metadata.type == "pulumi:pulumi:Stack" and metadata.new is not None:
                self.outputs = metadata.new.outputs or {}
            self._report(_step(metadata), StepState.DONE)
        elif event.res_op_failed_event:
            step = _step(event.res_op_failed_event.metadata)
            if step.op not in _UNCHANGED:
                self.failed.append(step)
            self._report(step, StepState.FAILED)
        elif event.policy_event and event.policy_event.enforcement_level == "mandatory":
            self.violations.append(plain(event.policy_event.message))
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            text = plain(event.diagnostic_event.message)
            # The engine ends with a line that says only that the update failed.
            if text and text not in ("update failed", "preview failed"):
                self.complaints.append((event.diagnostic_event.urn or "", text))

    def _report(self, step: Step, state: StepState) -> None:
        # A component has no resource of its own, and the stack and its providers belong to the engine.
        if self._on_progress and step.type.startswith("aws:"):
            self._on_progress(Progress(step=step, state=state))


def _step(metadata: Any) -> Step:
    op = getattr(metadata.op, "value", metadata.op)
    if op == "delete" and metadata.old is not None and metadata.old.retain_on_delete:
        # It only leaves the state.
        op = "retain"
    return Step(
        urn=metadata.urn,
        op=str(op),
        type=metadata.type,
        name=metadata.urn.rsplit("::", 1)[-1],
        changed=_changed(metadata),
    )


def _changed(metadata: Any) -> tuple[str, ...]:
    """The names of the properties that differ, without `tagsAll`, in which the AWS provider repeats `tags`."""
    names = sorted(metadata.detailed_diff or metadata.diffs or ())
    return tuple(name for name in names if not name.startswith(("tagsAll", "__")))


def plain(text: str) -> str:
    return _COLOUR.sub("", text).strip()


_UNCHANGED = frozenset({"same", "read", "refresh", "read-replacement", "discard", "discard-replaced"})


class Comparison:
    """Compares settings, state and account by the engine's events of one preview with a refresh."""

    def __init__(self) -> None:
        self._refreshed: dict[str, Drift] = {}
        self._known: set[str] = set()
        self._planned: dict[str, Drift] = {}

    def __call__(self, event: EngineEvent) -> None:
        metadata: Any = event.res_outputs_event.metadata if event.res_outputs_event else None
        # The stack and its providers belong to the engine, and a component has no resource of its own.
        if metadata is None or not metadata.type.startswith("aws:"):
            return
        op = str(getattr(metadata.op, "value", metadata.op))
        if op == "refresh":
            self._known.add(metadata.urn)
            if metadata.new is None:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.GONE)
            elif metadata.detailed_diff or metadata.diffs:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.CHANGED)
        elif op not in _UNCHANGED:
            kind = DriftKind.UNAPPLIED if metadata.urn in self._known or op != "create" else DriftKind.UNKNOWN
            self._planned.setdefault(metadata.urn, _drift(metadata, kind))

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """What an update would change, by URN.

        A refresh also reports what no update would touch: a property that the program does not set. That is no drift.
        """
        return tuple(self._refreshed.get(urn, self._planned[urn]) for urn in sorted(self._planned))


def _drift(metadata: Any, kind: DriftKind) -> Drift:
    return Drift(
        urn=metadata.urn,
        type=metadata.type,
        name=metadata.urn.rsplit("::", 1)[-1],
        kind=kind,
        properties=() if kind in (DriftKind.GONE, DriftKind.UNKNOWN) else _changed(metadata),
    )


_LOG_IN_TO_BUCKET = shell("pulumi", "login", "s3://BUCKET")
_LOG_IN = shell("pulumi", "login", advice=Text("for Pulumi Cloud; for a bucket: ", _LOG_IN_TO_BUCKET))
_NOISE = re.compile(r"(?:https response error )?StatusCode: \d+, |RequestID: \S*, |HostID: \S*, ")


def interrupted() -> errors.Cancelled:
    """The error of an interrupted operation, whether or not the engine failed."""
    return errors.Cancelled(
        "interrupted; the engine saved its state", "run the same command again: it continues from here"
    )


def run_error(stack: str, watch: Watch, *, was_interrupted: bool, text: str) -> errors.SetupError | None:
    """Why a preview or an update failed, by the engine's events; None where these do not say.

    `text`: its exit code, and all that it printed.
    """
    if watch.violations:
        return errors.PolicyRefusal(
            "the policy pack refused the plan: " + "; ".join(dict.fromkeys(watch.violations)),
            "change what it names, then run the same command again",
        )
    if was_interrupted:
        return interrupted()
    if stale := plan.deviation(stack, watch.complaints):
        return stale
    is_silent = text.startswith("code: 1\n") and text.endswith("stderr:")
    if watch.bound and is_silent and not watch.complaints:
        return plan.changed_outputs(stack)
    if watch.bound and "message authentication failed" in text:
        return plan.made_meanwhile(stack)
    if lines := causes(watch.failures):
        # A refresh and a preview leave nothing half-made.
        kind = errors.ResourceError if watch.failed or not denied(lines) else errors.PermissionDenied
        return kind("\n".join(lines), next_step(lines, deletes=any(step.op == "delete" for step in watch.failed)))
    return None


def cli_error(stack: str, text: str) -> errors.SetupError:
    stderr = plain(text.partition("stderr: ")[2] or text)
    message = _NOISE.sub("", stderr.removeprefix("error: ").strip() or text.strip())
    if "passphrase" in message:
        what = "is wrong" if "incorrect passphrase" in message else "is missing"
        return errors.UsageError(f"the stack's passphrase {what}: {message}", ENTER_PASSPHRASE)
    return of_backend(message) or errors.ResourceError(
        f"pulumi: {message}", shell("pulumi", "preview", "--stack", stack)
    )


def of_backend(message: str) -> errors.SetupError | None:
    """Errors of the state backend: of its session, of the key of its secrets, or of the state; None for any other."""
    return _signed_out(message) or _of_secrets(message) or _of_state(message)


def _signed_out(message: str) -> errors.SetupError | None:
    """The session ended before Pulumi could read the state or its secrets. A provider's error names a resource."""
    if not _EXPIRED.search(message) or "urn:pulumi:" in message:
        return None
    return errors.CredentialsError(f"the session ended while Pulumi read its state: {message}", _SIGN_IN)


def _of_secrets(message: str) -> errors.SetupError | None:
    """Errors of the KMS key that encrypts the stack's secrets."""
    if "secrets (code=" not in message and "secrets manager" not in message:
        return None
    said = f"the stack's secrets provider does not answer: {message}"
    if "code=NotFound" in message:
        return errors.SetupError(
            said,
            shell("aws", "kms", "list-aliases", advice="then: --secrets-provider awskms://alias/NAME?region=REGION"),
        )
    if "code=PermissionDenied" in message or "AccessDenied" in message:
        return errors.PermissionDenied(said, "allow kms:Encrypt and kms:Decrypt on that key, or name another")
    return errors.SetupError(said, "name another for a new stack: --secrets-provider passphrase")


_FIND_STATE = Command(
    f"find ~ -type d -path '*/.pulumi/stacks/{PROJECT}'",
    advice=Text(
        *("put the folder back where it was, or log in to the one that has `.pulumi`: ",),
        *(shell("pulumi", "login", "file://FOLDER"), ". For a first stack make the folder that is named"),
    ),
)


def _of_state(message: str) -> errors.SetupError | None:
    if "pulumi login" in message or "PULUMI_ACCESS_TOKEN" in message:
        return errors.NoBackend(f"Pulumi has no state backend to work with: {message}", _LOG_IN)
    if "no space left on device" in message:
        return errors.ResourceError(f"{DISK_FULL}: {message}", MAKE_ROOM)
    said = f"Pulumi's state backend does not answer: {message}"
    if "NoSuchBucket" in message:
        return errors.SetupError(
            f"the bucket of Pulumi's state does not exist: {message}",
            eonpro("setup", "--backend", "s3", advice=Text("it makes a bucket; for another one: ", _LOG_IN_TO_BUCKET)),
        )
    if "unable to open state directory" in message:
        return errors.SetupError(
            "the state is not where it was; look for it before you log in to an empty one, which would know no stack: "
            f"{message}",
            _FIND_STATE,
        )
    if re.search(r"invalid access token|401 Unauthorized|\[401\]", message, re.IGNORECASE):
        return errors.CredentialsError(f"Pulumi Cloud rejects the login: {message}", shell("pulumi", "login"))
    if re.search(
        r"failed to (refresh cached|retrieve) credentials|no EC2 IMDS role|get identity: get credentials", message
    ):
        return errors.CredentialsError(
            f"Pulumi has no AWS credentials for its state: {message}", shell("aws", "sts", "get-caller-identity")
        )
    if re.search(r"AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch", message) and (
        # A provider names the resource that it reads or changes.
        "urn:pulumi:" not in message
    ):
        return errors.PermissionDenied(
            f"Pulumi is not allowed to read its state: {message}",
            "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it",
        )
    if re.search(r"PermanentRedirect|AuthorizationHeaderMalformed", message):
        return errors.SetupError(
            f"the bucket of Pulumi's state is in another Region: {message}", "add it: s3://BUCKET?region=REGION"
        )
    if re.search(r"dial tcp|request send failed|performing HTTP request|no such host|i/o timeout", message):
        return errors.Unreachable(said, shell("pulumi", "whoami", "-v", advice="it shows which backend Pulumi uses"))
    return None


_FOLLOWS = re.compile(r"expected resource operations for \S+ but none were seen")
"""After any failure the rest of the plan is not applied."""
_SOURCE = re.compile(r"^\S+\.go:\d+: (?:sdk\.[\w.]+: )?")
"""A source position that the bridged provider prints: `sdk-v2/provider2.go:572: sdk.helper_schema: `."""
_PROVIDER = re.compile(r": provider=aws@\S+$")
_WRAPPER = re.compile(
    r"\d+ errors? occurred:\s*\* |(?:\w+ failed: )?(?:creating|updating|deleting|reading|refreshing) urn:pulumi:\S+: "
)
_NOISE = re.compile(
    r"(?:https response error )?StatusCode: \d+, |RequestID: [^\s,]*, |HostID: [^\s,]*, |,? ?status code: \d+"
    r"|, request id: [^\s,:]+"
)
_SPACE = re.compile(r"\s+")
_DIED = re.compile(
    r"error reading from server: |transport: Error while dialing|exited prematurely|code = Unavailable|plugin exited"
    r"|transport is closing|could not connect to plugin|the provider process"
)
"""A plug-in that is gone: the call under way, those after it, and the engine's own remark."""
_EXPIRED = re.compile(r"\bExpiredToken(Exception)?\b")
"""The session ended while the engine ran. https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"""
_SIGN_IN = "run the same command again: it first says how to sign in, and existing resources stay"
_FULL = re.compile(r"failed to save snapshot: .*?(?:blob .*?: )?(?:\w+ )?(\S+): no space left on device", re.DOTALL)

DISK_FULL = "the disk with the stack's state is full"
MAKE_ROOM = "make room there, then run the same command again: what AWS has made becomes part of the stack"
PLUGIN_DIED = (
    "Pulumi's plug-in for AWS was killed or crashed in the middle of the update, as for lack of memory; AWS may have "
    "carried out what it was asked for last"
)


def causes(failures: Sequence[str]) -> list[str]:
    """The failures without those that only follow, each once and on one line, as the service says it."""
    lines: list[str] = []
    for failure in failures:
        if _FOLLOWS.search(failure):
            continue
        if _DIED.search(failure):
            lines.append(PLUGIN_DIED)
        elif full := _FULL.search(failure):
            # The name of the file is of a temporary one beside the state.
            folder = full.group(1).rpartition("/")[0]
            lines.append(f"{DISK_FULL}: {folder or full.group(1)}")
        else:
            lines += _parts(failure)
    return _grouped(lines)


_REFUSED = re.compile(
    r".*\bis not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: \"?(?P<on>[^\s\"]+)\"?)?(?P<why>.*)"
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
_REFUSAL = "AWS refused "


def _grouped(lines: Iterable[str]) -> list[str]:
    """The lines, each once; the refusals of one action as one line that names their resources."""
    grouped: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    for line in lines:
        found = _REFUSED.fullmatch(line)
        start = f"{_REFUSAL}{found['action']}" if found else line
        resources = grouped.setdefault(start, [])
        if found and found["on"] and found["on"] not in resources:
            resources.append(found["on"])
        ends.setdefault(start, found["why"] if found else "")
    return [
        f"{start}{' on ' if resources else ''}{first_of(resources, 3)}{ends[start]}"
        for start, resources in grouped.items()
    ]


def denied(lines: Sequence[str]) -> tuple[str, ...]:
    """The actions that AWS refused, by these causes."""
    refusals = (line.removeprefix(_REFUSAL) for line in lines if line.startswith(_REFUSAL))
    return tuple(dict.fromkeys(refusal.split(" ", 1)[0] for refusal in refusals))


def next_step(lines: Sequence[str], *, deletes: bool = False) -> str:
    """The advice for these causes. `deletes`: a deletion failed."""
    if PLUGIN_DIED in lines:
        return "run the same command again: what AWS has made becomes part of the stack"
    if any(line.startswith(DISK_FULL) for line in lines):
        return MAKE_ROOM
    if any(_EXPIRED.search(line) for line in lines):
        return _SIGN_IN
    if actions := denied(lines):
        needed = ", ".join(actions)
        return errors.limit_of(" ".join(lines), needed) or eonpro(
            "policy",
            "operator",
            *(["--with-removal"] if deletes else []),
            # A trust that changes, for one, is in no operator's policy.
            advice=f"prints the operator's policy: if it has {needed}, an administrator attaches it and the same "
            "command goes on; if not, an administrator runs the same command",
        )
    return "fix the cause, then run the same command again: existing resources stay"


def _parts(failure: str) -> Iterator[str]:
    """Each error of a failure. The provider reports its error twice, the second time with the URN."""
    text = _PROVIDER.sub("", _SOURCE.sub("", without_authorization_id(failure).strip()))
    for part in re.split(r"\n\s*\* ", _WRAPPER.sub("", text)):
        line = _SPACE.sub(" ", _NOISE.sub("", part)).strip()
        line = _PROVIDER.sub("", _SOURCE.sub("", line))
        if line:
            yield line
