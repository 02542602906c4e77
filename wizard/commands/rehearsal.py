"""`rehearsal`: a throwaway environment from the set-up to its removal, and a file of what AWS did otherwise.

Acts through the clients and listens to the log of the calls of AWS; writes the file. `remove` alone deletes keys, logs
and a data key: those of a rehearsal, under which nothing is encrypted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from components import policies
from components.settings import Settings
from components.settings.names import ACCOUNT_NAMESPACE, regional_bucket
from wizard import PROJECT_FOLDER
from wizard.commands.doctor.command import run_verify
from wizard.core import errors, files, json_documents
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.models.access import KeyUse
from wizard.core.models.inputs import CALLER, CREATE, Mark
from wizard.core.models.stack import REHEARSAL
from wizard.core.next_command import eonpro
from wizard.inputs.interview import Interviewer
from wizard.setup import confirmation, workflow

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

SANDBOX = Path(__file__).with_suffix(".json")
"""The names of the same run in the sandbox; a test holds it, and UPDATE_GOLDEN=1 writes it."""

Names = Mapping[str, Mapping[str, Sequence[str]]]
"""By operation `parameters`, `answer` and `errors`; by type of resource `inputs` and `outputs`: the names of each."""
_PARTS = ("parameters", "answer", "errors")

NOT_RECORDED = (
    "not recorded: the calls of the application's process, and those of Pulumi's plug-in, which AWS's event history "
    "has after 15 minutes; of the plug-in it has the names that the state keeps of each type of resource"
)
_ABOUT = (
    "makes the throwaway environment `rehearsal`: two KMS keys, a trail with two buckets, roles, alerts that mail "
    "nobody; its data key goes to Parameter Store alone and encrypts nothing",
    "verifies, changes the rotation period, verifies, and removes all of it: buckets and logs at once (they have no "
    "Object Lock), the keys in 7 days, in which they cost nothing",
    "costs less than a dollar: two keys at $1 a month, by the hour; a second copy of the account's events at $2 per "
    "100,000, for some ten minutes; some hundred requests",
    "writes a file with the names, error codes and times of every call, and no value",
)
_KEPT = (
    "profile region account administrators administrator_patterns permissions_boundary backend secrets_provider "
    "passphrase application".split()
)
_ANSWERS = {
    **{"account": CALLER, "administrators": (CALLER,), "app_principal": CREATE, "ecs_execution_role": CREATE},
    **{"environment": REHEARSAL, "target": ("ecs",), "ecs_cluster": None, "multi_region": False, "trail": CREATE},
    **{"trail_lock": "none", "trail_retention_days": 2192, "rotation_period_days": 365},
}
_FIELDS = (
    "account_id region application administrators administrator_patterns permissions_boundary_arn "
    "rotation_period_days".split()
)
"""The settings that differ from one rehearsal to another."""


class RehearsedStep(TypedDict):
    step: str
    exitCode: int
    seconds: float


class RehearsalDocument(json_documents.Head):
    """A rehearsal, or the removal of one that did not end."""

    file: str
    steps: list[RehearsedStep]
    differences: list[str]
    notRecorded: str


def run(request: Request, clients: Clients) -> tuple[int, RehearsalDocument]:
    """The rehearsal; or the removal of an earlier one that did not end."""
    ui, at = clients.ui, clients.now()
    if request.saved and not is_rehearsal(request.saved):
        raise errors.UsageError(
            f"nothing was changed: the stack {REHEARSAL} exists, and no rehearsal made it", eonpro("status", "--all")
        )
    interview = Interviewer(_step(request, clients), clients).run()
    account, region = errors.known(interview.identity).account_id, str(interview.values["region"])
    bucket = _bucket(account, region, str(interview.values["application"]))
    ui.section("Rehearsal", f"account {account}, {region}")
    for line in ("removes what an earlier one left in its middle",) if request.saved else _ABOUT:
        ui.line(line)
    if not (request.yes or confirmation.typed(request, ui, why="Nothing has been changed so far.")):
        raise errors.Cancelled("nothing was changed", eonpro("rehearsal", "--yes"))
    file = PROJECT_FOLDER / "reports" / REHEARSAL / f"{at:%Y%m%dT%H%M%SZ}.json"
    begin(file)
    request = replace(request, answers=interview.answers)
    calls: list[dict[str, Any]] = []
    done, recorded, failure = _run_steps(request, clients, bucket, calls)
    recorded += [(call["operation"], {part: call[part] for part in _PARTS}) for call in calls]
    names = merged(recorded)
    is_whole = failure is None and not request.saved
    told = list(differences(names, json.loads(files.read_text(SANDBOX)))) if is_whole else []
    page: RehearsalDocument = {
        **json_documents.head("rehearsal", ok=not any(each["exitCode"] for each in done)),
        "file": str(file),
        "steps": done,
        "differences": told,
        "notRecorded": NOT_RECORDED,
    }
    # No value of this machine goes into the file, its own place neither.
    content = {name: part for name, part in page.items() if name != "file"}
    files.replace(file, json.dumps({**content, "names": names, "calls": calls}, indent=1).encode())
    ui.line(f"{file}: {len(calls)} calls, without any value", mark=Mark.OK)
    if failure:
        raise failure
    if is_whole:
        ui.section("What was otherwise than in the sandbox", NOT_RECORDED)
        for line in told or ("nothing",):
            ui.line(line)
    return int(not page["ok"]), page


def _run_steps(
    request: Request, clients: Clients, bucket: str, calls: list[dict[str, Any]]
) -> tuple[list[RehearsedStep], list[tuple[str, dict[str, list[str]]]], errors.SetupError | None]:
    """The steps that were run, the names in the state, and the first failure, after which only the removal is run.

    `calls` gets each call of AWS while they run.
    """
    ui, quiet, step = clients.ui, _Quiet(clients.ui), ""
    # Nothing that it does concerns the application's code.
    clients = replace(clients, ui=cast("Terminal", quiet), read_code=lambda settings: None)
    recorded: list[tuple[str, dict[str, list[str]]]] = []

    def record(logged: logging.LogRecord) -> bool:
        if (names := getattr(logged, "names", None)) is not None:
            calls.append({"step": step, **names()})
        return True

    def set_up(**changed: int) -> int:
        return int(not workflow.setup(_step(request, clients, trail_bucket=bucket, **changed), clients).ok)

    def verify() -> int:
        return run_verify(_step(request, clients), clients)[0]

    def end() -> int:
        last = _step(request, clients)
        recorded.extend(remove(last, clients, set_up) if last.saved else ())
        return 0

    whole = (("setup", set_up), ("verify", verify), ("change", partial(set_up, rotation_period_days=180)))
    todo: Sequence[tuple[str, Callable[[], int]]] = (*whole, ("verify again", verify), ("remove", end))
    done, failure = list[RehearsedStep](), None
    logging.getLogger("eonpro.aws").addFilter(record)
    for step, action in todo[-1:] if request.saved else todo:
        if failure is not None and action is not end:
            continue
        started = clients.clock()
        try:
            code = action()
        except errors.Cancelled:
            raise
        except errors.SetupError as error:
            failure, code = failure or error, error.exit_code
        quiet.end(shown=bool(code))
        seconds = round(clients.clock() - started, 1)
        done.append({"step": step, "exitCode": code, "seconds": seconds})
        ui.line(f"{step}: {seconds:.0f} s", mark=Mark.FAIL if code else Mark.OK)
    return done, recorded, failure


def begin(file: Path) -> None:
    """Write the file of a rehearsal that has not ended: where that fails, nothing is made that nobody hears of."""
    try:
        files.make_folder(file.parent)
        files.create(file, json.dumps({"steps": []}).encode())
    except OSError as error:
        raise errors.SetupError(
            f"nothing was changed: {file} cannot be written: {error}", eonpro("rehearsal")
        ) from error


class _Quiet:
    """The screen of one step: the pages are for an environment that stays, and are shown where the step failed."""

    interactive = False

    def __init__(self, ui: Terminal) -> None:
        self._ui, self._pages = ui, list[Callable[[], object]]()

    def __getattr__(self, name: str) -> Any:
        shown = partial(partial, getattr(self._ui, name))
        return self._ui.working if name == "working" else lambda *a, **named: self._pages.append(shown(*a, **named))

    def end(self, *, shown: bool) -> None:
        for page in self._pages if shown else ():
            page()
        self._pages.clear()


def _step(request: Request, clients: Clients, **own: object) -> Request:
    """The request of one step, by the settings that the one before left."""
    saved = clients.saved_settings().get(REHEARSAL)
    answers = {
        **{key: Answer(value=of, source=Source.FLAG, where="the rehearsal") for key, of in (_ANSWERS | own).items()},
        **{key: request.answers[key] for key in _KEPT if key in request.answers},
    }
    return replace(request, answers=answers, saved=errors.known(saved) if saved else None, yes=True, confirmed=None)


def _bucket(account: str, region: str, application: str) -> str:
    """The name of a rehearsal's bucket, by which its settings are told from those of every other stack."""
    is_regional = regional_bucket(account_id=account, region=region, environment=REHEARSAL, application=application)
    return f"{application}-rehearsal-{account}-{region}{ACCOUNT_NAMESPACE if is_regional else ''}"


def is_rehearsal(settings: Settings) -> bool:
    """Whether a rehearsal made these settings, and nobody has given the environment another target or use since."""
    made = {"environment": REHEARSAL, "deploy_targets": ("ecs",), "trail_lock": "none", "trail_retention_days": 2192}
    made |= {"trail_bucket": _bucket(settings.account_id, settings.region, settings.application)}
    made |= {field: getattr(settings, field) for field in _FIELDS}
    return settings == Settings.read(made, deployed=True)


def remove(request: Request, clients: Clients, set_up: Callable[[], int]) -> list[tuple[str, dict[str, list[str]]]]:
    """Delete all of a rehearsal; the names in its state. Raises ResourceError, before anything is deleted, in doubt."""
    find = partial(workflow.find_deployed, request, clients, is_removal=True, may_be_empty=True)
    stack, engine, state = find()
    if state.resources and (state.outputs is None or any(each.op != "deleting" for each in state.pending)):
        # What AWS made for a run that was killed, a set-up that goes on brings into the state; else it would stay.
        if isinstance(ended := errors.attempted(set_up), errors.Cancelled):
            raise ended
        stack, engine, state = find()
    settings, aws = stack.settings, stack.aws
    with engine.alone(REHEARSAL):
        found = aws.requests.pages(
            "ssm", "GetParametersByPath", "Parameters", Path=settings.names.parameter_prefix, Recursive=True
        )
        parameters = [str(each["Name"]) for each in found]
        ids = {each.name: each.id for each in state.resources if each.type.endswith(":Key")}
        keys = {name: key for name, id_ in ids.items() if (key := aws.kms.describe_key(id_)) is not None}
        use = errors.attempted(aws.access.last_use, keys["phi-key"].arn) if "phi-key" in keys else None
        if isinstance(use, errors.SetupError) and "AWS_ENDPOINT_URL" in aws.environment():
            use = None  # An emulator, which may not know the call.
        if why := "; ".join(doubts(settings, parameters, use)):
            keeps = eonpro("destroy", "--stack", REHEARSAL, advice="keeps the key, the data key and the logs")
            raise errors.ResourceError(f"nothing was deleted: {why}", keeps)
        for key in keys.values():
            document = aws.kms.key_policy(key.arn)
            statements = cast("list[Mapping[str, object]]", document["Statement"])
            kept = [each for each in statements if each.get("Sid") not in policies.DELETION_DENIALS]
            if kept != statements and key.state != "PendingDeletion":
                policy = json.dumps({**document, "Statement": kept})
                aws.requests.call("kms", "PutKeyPolicy", KeyId=key.arn, PolicyName="default", Policy=policy)
        clients.ui.working("Pulumi removes the rehearsal")
        # The claim is last: nothing that is left without the settings is in the way of another rehearsal.
        if own := [name for name in parameters if name != settings.names.claim]:
            aws.requests.call("ssm", "DeleteParameters", Names=own)
        recorded = engine.destroy_rehearsal(REHEARSAL)
        aws.requests.call("ssm", "DeleteParameters", Names=[settings.names.claim])
    return recorded


def doubts(settings: Settings, parameters: Iterable[str], use: KeyUse | errors.SetupError | None) -> Iterator[str]:
    """Why nothing of this environment may be deleted: each thing that no rehearsal does. `use`: of its PHI key."""
    names = settings.names
    if not is_rehearsal(settings):
        yield "no rehearsal made these settings"
    own = {names.claim, *(f"{names.parameter_prefix}/{variable}" for variable in settings.variables)}
    others = [name for name in parameters if name not in own]
    if [name.rpartition("/")[0] for name in others] not in ([], [names.versions]):
        yield f"it has more than the one data key of a rehearsal: {', '.join(others)}"
    if isinstance(use, errors.SetupError):
        yield f"whether its key was used is not known ({use.message})"
    if isinstance(use, KeyUse) and use.operation not in (None, "GenerateDataKeyWithoutPlaintext"):
        yield f"its key was used ({use.operation}): something may be encrypted under it"


def merged(recorded: Iterable[tuple[str, Mapping[str, Iterable[str]]]]) -> Names:
    """All names of each operation and of each type of resource."""
    names: dict[str, dict[str, list[str]]] = {}
    for name, parts in recorded:
        of_name = names.setdefault(name, {})
        of_name.update({part: sorted({*of_name.get(part, ()), *more}) for part, more in parts.items()})
    return names


def differences(here: Names, sandbox: Names) -> Iterator[str]:
    """What a run did otherwise than the one in the sandbox, a sentence for each operation and type of resource."""
    for name in sorted({*here, *sandbox}):
        if name not in sandbox or name not in here:
            yield f"{name}: {'here' if name in here else 'in the sandbox'} only"
            continue
        for part in here[name]:
            ours, theirs = set(here[name][part]), set(sandbox[name][part])
            more, less = ", ".join(sorted(ours - theirs)), ", ".join(sorted(theirs - ours))
            if more or less:
                yield f"{name}, {part}: " + "; ".join(filter(None, [more and f"also {more}", less and f"no {less}"]))
