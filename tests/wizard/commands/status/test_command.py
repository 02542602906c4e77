"""`status`: one row a stack, read from fakes of the edges; the list of stacks also from the real engine.

Touches a temporary folder only.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation import GrantFact
from components.policies.stack import trail_key_policy_of
from components.settings import Settings
from tests.sandbox.pulumi_plugins.engine_project import engine_binary
from tests.wizard.fakes.clients import (
    ACCOUNT,
    APP,
    KEY,
    OTHER_ACCOUNT,
    OTHER_KEY,
    TOKEN,
    FakeAwsClient,
    FakeEngine,
    FakeUserInterface,
    FakeVercelClient,
    built,
    clients_of,
    key_fact,
    multi_region,
    outputs_of,
    settings,
    trail_fact,
    wrapped,
)
from wizard.account.facts import StackFacts
from wizard.account.judgements import ALL_CHECKS
from wizard.account.views import diagnose
from wizard.commands.status import command, output
from wizard.core.clients import Clients
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    SetupError,
    StackNotFound,
    Unreachable,
    Unsupported,
    UsageError,
)
from wizard.core.models.account import TrailFact
from wizard.core.models.delivery import AppVariables
from wizard.core.models.deployment import Deployment, ReleaseStage, ReleaseState, RollingRelease
from wizard.core.models.inputs import Mark
from wizard.core.models.stack import HealthStatus, ListedStack, StackStatus, StatusCheck
from wizard.core.next_command import shell
from wizard.pulumi_engine.backend import list_stacks
from wizard.terminal.screen import Screen

DENIED = PermissionDenied("not allowed to look", "ask for it")
BROKEN = UsageError("region: is missing", shell("pulumi", "config", "refresh"))
BOTH = {"deploy_targets": ("vercel", "ecs")}
CHECKED = {"key_check_value": True}
UPDATED = "2026-11-24T20:49:03.824Z"


LOGS_KEY = KEY.replace("1234abcd", "0000abcd")


def logs(**changes: Any) -> TrailFact:
    """The stack's own trail, with the key of the logs."""
    return trail_fact(**{"key_arn": LOGS_KEY, **changes})


class World:
    """An account with a stack that is set up in full and delivered, and whoever looks at it."""

    def __init__(self, wanted: Settings) -> None:
        self.aws = FakeAwsClient()
        self.vercel = FakeVercelClient()
        self.ui = FakeUserInterface()
        self.settings = {"production": wanted}
        self.backend: tuple[ListedStack, ...] | SetupError = (listed("production"),)
        self.asked: list[Mapping[str, str]] = []
        self.token: str | None = TOKEN
        self.connected: list[tuple[str | None, str | None]] = []
        self.state = built(self.aws, wanted)
        self.engine = FakeEngine(aws=self.aws, stack_state=self.state)
        self.aws.keys[LOGS_KEY] = key_fact(LOGS_KEY)
        self.aws.key_policies[LOGS_KEY] = trail_key_policy_of(wanted)
        self.aws.trails = (logs(),)
        # A trail's and a stored data key's other names are no business of these tests.
        outputs = outputs_of(wanted)
        for arn in outputs.key_arns:
            regional = self.aws.with_region(arn.split(":")[3])
            batch = AppVariables(region=regional.region, key_arn=arn, wrapped=wrapped())
            regional.stored_data_keys.deliver_parameters(
                outputs.parameter_prefix, batch, tags={}, store=wanted.secret_store
            )
            if regional is self.aws:
                self.vercel.deliver(self.vercel.project, batch)
        self.aws.log.clear()
        self.vercel.log.clear()

    @property
    def clients(self) -> Clients:
        def connect(profile: str | None, region: str | None) -> FakeAwsClient:
            self.connected.append((profile, region))
            return self.aws

        return clients_of(
            self.aws, self.engine, ui=self.ui, connect=connect, vercel=lambda token: replace(self.vercel, token=token)
        )

    def _list(self, environment: Mapping[str, str]) -> tuple[ListedStack, ...]:
        self.asked.append(environment)
        if isinstance(self.backend, SetupError):
            raise self.backend
        return self.backend

    def read(self, stack: str = "production", *, all_stacks: bool = False, **more: Any) -> tuple[StackStatus, ...]:
        return command.read(
            self.clients,
            self.settings,
            all_stacks=all_stacks,
            stack=stack,
            list_stacks=self._list,
            vercel_token=self.token,
            **more,
        )

    def one(self) -> StackStatus:
        (row,) = self.read()
        return row


def listed(name: str, **changes: Any) -> ListedStack:
    return replace(ListedStack(name=name, last_update=UPDATED, resources=31), **changes)


@pytest.fixture
def world() -> World:
    return World(settings(**BOTH))


def standings(row: StackStatus) -> dict[str, HealthStatus]:
    return {check.what: check.status for check in row.checks}


# --- one stack -------------------------------------------------------------------------------------------------------


def test_a_stack_in_order_is_good_in_every_look(world: World) -> None:
    row = world.one()
    assert set(standings(row).values()) == {HealthStatus.GOOD}
    looks = ["key", "rotation", "access", "trail", "stored data key", "application", "deployment", "ecs", "vercel"]
    assert list(standings(row)) == looks
    assert (row.status, row.why, row.fingerprint) == (HealthStatus.GOOD, "", wrapped().fingerprint)
    assert (row.account, row.region, row.targets) == (ACCOUNT, "us-east-1", ("ecs", "vercel"))
    assert (row.last_update, row.resources, row.in_backend) == (UPDATED, 31, True)


def test_it_asks_nobody_changes_nothing_and_lists_the_stacks_once(world: World) -> None:
    world.read(all_stacks=True)
    reads = {
        "identify", "describe_key", "find_trail", "read_stored_data_key", "check_parameters", "with_region",
        "access_diagnostics.held", "key_policy",
    }  # fmt: skip
    assert {call.split()[0].removeprefix("cloud.") for call in world.aws.log} <= reads
    assert set(world.vercel.log) <= {"vercel.find_project", "vercel.see_variables", "vercel.check"}
    assert world.asked == [world.aws.environment()]
    assert world.ui.asked == []


@pytest.mark.parametrize(
    ("options", "count"), [({}, "three"), (CHECKED, "four"), (CHECKED | {"keys_for_reading": True}, "5")]
)
def test_the_variables_of_every_option_are_counted(options: dict[str, bool], count: str) -> None:
    briefs = {check.what: check.brief for check in World(settings(**BOTH, **options)).one().checks}
    assert briefs["vercel"] == briefs["ecs"] == f"has the {count} variables"


def test_a_rolling_release_under_way_is_said_and_is_no_fault(world: World) -> None:
    made = datetime(2026, 11, 24, tzinfo=UTC)
    canary = Deployment(target="vercel", id="dpl_2", name="eonpro-2.vercel.app", made=made, state="READY")
    stage = ReleaseStage(index=0, percentage=10, needs_approval=True, seconds=None)
    world.vercel.release = RollingRelease(state=ReleaseState.ACTIVE, canary=canary, active=stage)
    world.vercel.project = replace(world.vercel.project, has_rolling_releases=True)
    details = {check.what: check.detail for check in world.one().checks}
    assert details["vercel"].startswith("has the three variables; eonpro-2.vercel.app: its rolling release is at stage")
    assert set(standings(world.one()).values()) == {HealthStatus.GOOD}


def key(arn: str = KEY, **changes: Any) -> Callable[[World], None]:
    return lambda world: world.aws.keys.update({arn: key_fact(arn, **changes)})


def trail(**changes: Any) -> Callable[[World], None]:
    return lambda world: setattr(world.aws, "trails", (logs(**changes),))


def with_the_alias_on_another_key(world: World) -> None:
    key(OTHER_KEY)(world)
    world.aws.aliases["alias/eonpro-phi-key"] = OTHER_KEY


def without_the_application_in_the_key_policy(world: World) -> None:
    policy: Any = world.aws.key_policies[KEY]
    kept = [each for each in policy["Statement"] if "app-role" not in str(each)]
    world.aws.key_policies[KEY] = {**policy, "Statement": kept}


def with_another_keys_stored_key(world: World) -> None:
    world.aws.stored_keys = {name: replace(each, key_arn=OTHER_KEY) for name, each in world.aws.stored_keys.items()}


def with_a_stranger_in_the_key_policy(world: World) -> None:
    policy: Any = world.aws.key_policies[KEY]
    stranger = {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "kms:Decrypt", "Resource": "*"}
    world.aws.key_policies[KEY] = {**policy, "Statement": [*policy["Statement"], stranger]}


def with_a_grant_to_a_stranger(world: World) -> None:
    grant = GrantFact(
        id="g1", grantee="arn:aws:iam::999988887777:root", operations=("Decrypt",), made=None, retiring=None
    )
    world.aws.who_has_access.granted = {KEY: (grant,)}


def with_the_trust_of_another_vercel_team(world: World) -> None:
    trust: Any = world.aws.access_diagnostics.principals[APP].trust
    other = json.loads(json.dumps(trust).replace("acme", "somebody-else"))
    world.aws.access_diagnostics.change(APP, trust=other)


def with_a_task_definition_without_the_variables(world: World) -> None:
    named = settings(deploy_targets=("ecs",), ecs_cluster="clinic", ecs_service="web")
    world.__init__(named)  # type: ignore[misc]
    world.aws.ecs_services.have({"family": "clinic", "containerDefinitions": [{"name": "web"}]})
    secret = ("AWS_REGION", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{named.names.parameter_prefix}/AWS_REGION")
    assert world.state.outputs is not None
    world.engine.stack_state = replace(world.state, outputs=replace(world.state.outputs, task_secrets=(secret,)))


def with_a_stale_deployment(world: World) -> None:
    made = datetime(2026, 11, 24, tzinfo=UTC)
    world.vercel.deployment = Deployment(
        target="vercel", id="dpl_1", name="eonpro-1.vercel.app", made=made, state="READY"
    )
    world.vercel.changed_at = made + timedelta(hours=1)


def test_a_key_policy_that_was_left_as_it_was_found_is_told_and_not_wrong(world: World) -> None:
    world.settings = {"production": settings(deploy_targets=("ecs", "vercel"), kept_as_found=("key",))}
    with_a_stranger_in_the_key_policy(world)
    [check] = [each for each in world.one().checks if each.what == "access"]
    assert check.status is HealthStatus.GOOD and "999988887777: may Decrypt" in check.detail
    assert "left as it was found" in check.detail


@pytest.mark.parametrize(
    ("fault", "rows", "is_caused"),
    [
        (lambda world: world.aws.keys.pop(KEY), {"key"}, True),
        (with_the_alias_on_another_key, {"key"}, False),
        (key(rotation_enabled=False), {"rotation"}, False),
        (key(LOGS_KEY, rotation_enabled=False), {"rotation"}, False),
        (with_a_stranger_in_the_key_policy, {"access"}, False),
        (with_a_grant_to_a_stranger, {"access"}, False),
        (without_the_application_in_the_key_policy, {"access", "application"}, True),
        (trail(logging=False), {"trail"}, False),
        (key(LOGS_KEY, state="Disabled"), {"trail"}, False),
        (with_another_keys_stored_key, {"stored data key"}, False),
        (lambda world: world.aws.parameters.update({"/eonpro/production/AWS_REGION": "x"}), {"ecs"}, False),
        (lambda world: world.vercel.variables.update(ENCRYPTED_PHI_KEY=wrapped("other").value), {"vercel"}, False),
        (lambda world: world.vercel.variables.pop("AWS_REGION"), {"vercel"}, False),
        (with_the_trust_of_another_vercel_team, {"access", "application"}, False),
        (lambda world: world.aws.access_diagnostics.providers.clear(), {"application"}, False),
        (with_a_task_definition_without_the_variables, {"deployment"}, False),
        (with_a_stale_deployment, {"deployment"}, False),
    ],
)
def test_what_is_wrong_is_told_in_its_row_as_the_doctor_says_it(
    world: World, fault: Callable[[World], None], rows: set[str], is_caused: bool
) -> None:
    fault(world)
    row = world.one()
    wrong = row.of(HealthStatus.WRONG)
    assert ({check.what for check in wrong}, row.status) == (rows, HealthStatus.WRONG)
    assert output.document((row,))["ok"] is False
    facts = StackFacts(
        stack="production",
        settings=world.settings["production"],
        aws=world.aws,
        sources=world.clients,
        open_engine=lambda: world.engine,
        vercel=replace(world.vercel, token=TOKEN),
    )
    diagnosis = diagnose(facts, ALL_CHECKS)
    found = {finding.what for finding in (*diagnosis.findings, *diagnosis.consequences)}
    assert is_caused or all(any(what in check.detail for what in found) for check in wrong)


@pytest.mark.parametrize(
    ("method", "unknown"),
    [
        ("describe_key", {"key", "rotation", "access", "trail", "application"}),
        ("find_trail", {"trail"}),
        ("read_stored_data_key", {"stored data key", "ecs", "vercel"}),
        ("access_diagnostics.held", {"ecs"}),
    ],
)
@pytest.mark.parametrize("error", [DENIED, Unreachable("no answer", "wait"), Unsupported("no such call", "none")])
def test_what_may_not_be_looked_at_is_unknown(world: World, method: str, unknown: set[str], error: SetupError) -> None:
    world.aws.failures[method] = error
    row = world.one()
    assert {what for what, standing in standings(row).items() if standing is HealthStatus.UNKNOWN} == unknown
    assert row.status is HealthStatus.UNKNOWN
    assert any(error.message in check.detail for check in row.checks)


@pytest.mark.parametrize("token", [None, "a-token-that-is-not-good"])
def test_without_a_good_token_vercel_is_unknown(world: World, token: str | None) -> None:
    world.token = token
    row = world.one()
    assert {check.what for check in row.of(HealthStatus.UNKNOWN)} == {"deployment", "vercel"}
    assert "a-token" not in repr(row)
    # A token that was given, and is refused, is for the person to renew; without one, AWS alone was asked.
    assert (row.exit_code, "vercel login" in str(row.hint)) == ((3, True) if token else (0, False))


def test_a_replica_without_its_parameters_is_named() -> None:
    world = World(multi_region(deploy_targets=("ecs",)))
    assert world.one().status is HealthStatus.GOOD
    world.aws.with_region("eu-central-1").parameters.clear()
    (check,) = world.one().of(HealthStatus.WRONG)
    assert check.what == "ecs" and "in eu-central-1 " in check.detail


def test_of_many_the_state_is_read_only_where_alias_and_data_key_name_different_keys(world: World) -> None:
    world.read(all_stacks=True)
    assert world.engine.log == []
    with_the_alias_on_another_key(world)
    [check] = world.read(all_stacks=True)[0].of(HealthStatus.WRONG)
    assert f"points to {OTHER_KEY}" in check.detail and world.engine.log == ["engine.state"]


# --- what is not here, not there, not ours ---------------------------------------------------------------------------


def test_another_accounts_stack_is_not_asked_about(world: World) -> None:
    world.settings = {
        "production": settings(account_id=OTHER_ACCOUNT, administrators=(f"arn:aws:iam::{OTHER_ACCOUNT}:role/a",))
    }
    row = world.one()
    assert (row.status, row.checks) == (HealthStatus.ELSEWHERE, ())
    assert (row.account, row.resources, row.last_update) == (OTHER_ACCOUNT, 31, UPDATED)
    assert ACCOUNT in row.why
    assert [call for call in world.aws.log if "identify" not in call] == []


def test_without_a_backend_the_account_is_asked_all_the_same(world: World) -> None:
    world.backend = Unreachable("the bucket does not answer", shell("pulumi", "login"))
    row = world.one()
    assert (row.status, row.in_backend, row.resources) == (HealthStatus.GOOD, None, None)
    lines = screen((row,))
    assert lines[lines.index("! the bucket does not answer") + 1 :][:2] == ["next:", "    pulumi login"]
    assert row.why == "the bucket does not answer"


def test_without_credentials_the_backend_is_asked_all_the_same(world: World) -> None:
    world.aws.failures["identify"] = CredentialsError("the token has expired", "aws sso login")
    (row,) = world.read(all_stacks=True)
    assert (row.status, row.resources, row.checks) == (HealthStatus.UNKNOWN, 31, ())
    assert "the token has expired" in row.why
    assert world.asked == [{}]


def test_a_stack_that_nobody_knows_is_not_found(world: World) -> None:
    with pytest.raises(StackNotFound, match="the stack stagign does not exist"):
        world.read("stagign")


def test_all_are_those_with_settings_here_and_those_of_the_backend(world: World) -> None:
    world.settings["staging"] = settings(environment="staging")
    world.backend = (listed("production"), listed("elsewhere"))
    rows = world.read(all_stacks=True, unreadable={"broken": BROKEN})
    assert {row.stack: row.status for row in rows} == {
        "broken": HealthStatus.UNKNOWN,
        "elsewhere": HealthStatus.UNKNOWN,
        "production": HealthStatus.GOOD,
        "staging": HealthStatus.NOT_BUILT,
    }
    whys = {row.stack: row.why for row in rows}
    assert "Pulumi.elsewhere.yaml" in whys["elsewhere"]
    assert whys["broken"] == "region: is missing"


def test_a_stack_whose_state_is_not_here_is_not_called_new(world: World) -> None:
    for world.backend in ((listed("another"),), (listed("production", resources=0),)):
        row = world.one()
        assert row.status is HealthStatus.WRONG and "the state has none of it" in row.why
    world.aws.stored_keys.clear()
    assert world.one().status is HealthStatus.NOT_BUILT


def test_settings_that_cannot_be_used_fail_with_the_command_that_brings_them_back(world: World) -> None:
    del world.settings["production"]
    (row,) = world.read(unreadable={"production": BROKEN})
    assert (row.exit_code, row.hint) == (2, "pulumi config refresh")


# --- the words -------------------------------------------------------------------------------------------------------


def rows_of(count: int) -> tuple[StackStatus, ...]:
    """As long as rows can be: names of forty characters, the longest Region, every target, every kind of answer."""
    world = World(settings(**{**BOTH, "deploy_targets": ("vercel", "ecs", "eks"), "eks_cluster": "clinic"}))
    world.aws.failures["find_trail"] = DENIED
    world.aws.keys[KEY] = key_fact(rotation_enabled=False)
    (row,) = world.read()
    return tuple(
        replace(
            row, stack=f"{number}-{'a-very-long-name-of-a-stack-for-tests'}", region="ap-southeast-1", resources=104
        )
        for number in range(count)
    )


def screen(rows: tuple[StackStatus, ...], encoding: str = "utf-8", *, all_stacks: bool = False) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    ui = Screen(out=out, width=80, colour=False)
    ui.title("EONPRO KMS · status")
    output.show(ui, rows, all_stacks=all_stacks)  # type: ignore[arg-type]
    out.seek(0)
    return out.read().splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_eight_stacks_fit_on_one_screen_however_long_their_names(encoding: str) -> None:
    lines = screen(rows_of(8), encoding, all_stacks=True)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80


def test_the_screen_of_several_stacks_tells_each_ones_standing(world: World) -> None:
    world.settings |= {
        "abroad": settings(account_id=OTHER_ACCOUNT, administrators=(f"arn:aws:iam::{OTHER_ACCOUNT}:role/a",)),
        "staging": settings(environment="staging"),
    }
    world.backend = (listed("abroad"), listed("production"))
    world.aws.keys[KEY] = key_fact(rotation_enabled=False)
    world.token = None
    assert screen(world.read(all_stacks=True), all_stacks=True)[2:] == [
        "  stack       account       region     targets     updated",
        "· abroad      999988887777  us-east-1  vercel      2026-11-24",
        "    other account: your credentials belong to the account 111122223333",
        "✗ production  111122223333  us-east-1  ecs,vercel  2026-11-24",
        f"    {wrapped().fingerprint}  ✓ key access trail ecs  ✗ rotation  ? vercel",
        "· staging     111122223333  us-east-1  vercel      never",
        "    not deployed yet",
        "· not asked here: who else has access, the application, what runs, alerts, logs'",
        "  bucket, versions, backups, drift",
        "details of production:",
        "    python -m wizard status",
        "to deploy staging:",
        "    python -m wizard setup --stack staging",
    ]


def test_one_stack_is_told_on_one_screen_that_ends_with_what_it_does_not_look_at(world: World) -> None:
    assert screen(world.read())[2:] == [
        "account 111122223333, us-east-1, ecs, vercel · updated 2026-11-24 20:49 UTC",
        f"data key {wrapped().fingerprint} · no backup is recorded",
        "✓ key: enabled, and its alias points to it",
        "✓ rotation: as often as the settings say",
        "✓ access: policies as in the settings",
        "✓ trail: it logs, in all Regions, signed",
        "✓ stored data key: it is the stack's own",
        "✓ application: it may use the key, and only its platform can become it",
        "✓ deployment: what runs has the variables; 1 not looked at",
        "✓ ecs: has the three variables",
        "✓ vercel: has the three variables",
        "· python -m wizard doctor also checks alerts, logs' bucket, versions, backups,",
        "  drift",
    ]


def test_a_row_that_is_not_in_order_says_the_first_reason_and_how_many_more(world: World) -> None:
    world.aws.failures["find_trail"] = DENIED
    with_a_stranger_in_the_key_policy(world)
    with_a_grant_to_a_stranger(world)
    lines = screen(world.read())
    assert "! trail: access denied: the audit trail" in lines
    [access] = [line for line in lines if line.startswith("✗ access: ")]
    told = " ".join(lines[lines.index(access) :])
    assert "999988887777" in told and "and 2 more" in told
    assert told.endswith(
        "the cause, its repair, and alerts, logs' bucket, versions, backups, drift:     python -m wizard doctor"
    )


def test_the_reason_of_several_rows_is_said_once(world: World) -> None:
    why = "the state is not where it was"
    unread = StatusCheck(
        what="application", status=HealthStatus.UNKNOWN, detail=why, brief=f"the state of the stack: {why}"
    )
    [row] = world.read()
    lines = screen((replace(row, why=why, checks=(*row.checks[:5], unread, replace(unread, what="deployment"))),))
    assert [line for line in lines if why in line] == [f"! {why}"]
    assert "! application: not known, see below" in lines and "! deployment: not known, see below" in lines


def test_without_any_stack_the_way_to_one_is_told(world: World) -> None:
    world.settings, world.backend = {}, ()
    output.show(world.ui, world.read(all_stacks=True), all_stacks=True)
    assert world.ui.said[-1] == "python -m wizard setup"
    assert [mark for mark, _ in world.ui.marked] == [Mark.INFO, None]


def test_the_document_has_all_that_was_read(world: World) -> None:
    document = output.document(world.read(all_stacks=True))
    (stack,) = document["stacks"]
    assert document["ok"] is True
    assert {key: stack[key] for key in ("stack", "status", "account", "region", "targets", "resources")} == {
        "stack": "production",
        "status": "good",
        "account": ACCOUNT,
        "region": "us-east-1",
        "targets": ["ecs", "vercel"],
        "resources": 31,
    }
    assert (stack["updatedAt"], stack["dataKey"]) == (UPDATED, wrapped().fingerprint)
    assert stack["checks"][0] == {
        "what": "key",
        "status": "good",
        "detail": f"the key {KEY} exists, is enabled, and encrypts symmetrically",
    }


# --- the list of the backend's stacks --------------------------------------------------------------------------------


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A `pulumi` of one line of shell, alone on the PATH, and a folder to run it in."""

    def write(line: str) -> Path:
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho called >> {tmp_path}/calls\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        return tmp_path

    return write


def test_the_stacks_are_listed_by_one_call_with_the_credentials(pulumi: Callable[[str], Path]) -> None:
    folder = pulumi(
        'echo "[{\\"name\\": \\"clinic/eonpro-kms/$STACK\\", \\"current\\": true, \\"updateInProgress\\": true},'
        ' {\\"name\\": \\"a\\", \\"lastUpdate\\": \\"2026-11-24T20:49:03.824Z\\", \\"resourceCount\\": 0}]"'
    )
    assert list_stacks(folder, {"STACK": "production"}) == (
        ListedStack(name="a", last_update=UPDATED, resources=0),
        ListedStack(name="production", last_update=None, resources=None, updating=True),
    )
    assert (folder / "calls").read_text() == "called\n"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "echo 'error: PULUMI_ACCESS_TOKEN must be set' >&2; exit 3",
            "PULUMI_ACCESS_TOKEN must be set",
            "pulumi login",
        ),
        (
            "echo 'error: unable to open state directory' >&2; exit 1",
            "the state is not where it was",
            "find ~ -type d -path '*/.pulumi/stacks/eonpro-kms'",
        ),
        ("exit 255", "exit code 255", "pulumi stack ls"),
        ("echo '{'", "cannot be read", "pulumi stack ls"),
        ("echo '[{}]'", "cannot be read", "pulumi stack ls"),
        ("echo '[1]'", "cannot be read", "pulumi stack ls"),
    ],
)
def test_a_refusal_of_the_cli_is_told(pulumi: Callable[[str], Path], line: str, message: str, hint: str) -> None:
    with pytest.raises(SetupError) as refusal:
        list_stacks(pulumi(line), {})
    assert message in refusal.value.message
    assert refusal.value.hint == hint


def test_the_real_engine_lists_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(engine_binary())
    (tmp_path / "Pulumi.yaml").write_text("name: eonpro-kms\nruntime: python\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for name, value in {
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert list_stacks(tmp_path, {}) == ()
    subprocess.run(["pulumi", "stack", "init", "staging"], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    (stack,) = list_stacks(tmp_path, {})
    assert (stack.name, stack.resources, stack.updating) == ("staging", 0, False)
