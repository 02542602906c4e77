"""Valid answers, drawn over every input and target, set up, changed and removed under several AWS providers.

`python -m tests.drawn --seed 1 --count 60 --provider PATH` compares the stand-in with the provider at PATH: for each
drawn file one line, at the end a summary; exit 1 where one result differs or a step fails. Touches deployments of its
own in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.pulumi_plugins.install import STANDIN, install
from tests.onboarding import deployment as deployments
from tests.onboarding.deployment import ACCOUNT, CALLER, Deployment, forked, plugins, running_deployment
from tests.onboarding.loaded import loaded_python
from tests.recordings.stacks import given
from wizard.core.errors import SetupError
from wizard.core.models.account import Identity
from wizard.core.models.inputs import Input, InputType
from wizard.core.models.stack import StackState
from wizard.inputs import answers
from wizard.inputs.registry import INPUTS
from wizard.setup.preflight.services import forbidden_changes
from wizard.targets.port import all_targets

COLLEAGUE = f"arn:aws:iam::{ACCOUNT}:user/security-officer"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/portal"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/Boundary"
DOCUMENTS = "clinic-documents"
CLUSTER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/company-trail"
ALWAYS = {"account": "caller", "vercel_team": "eonpro", "vercel_project": "eonpro", "ecs_cluster": "eonpro"}
VALUES: Mapping[str, tuple[Any, ...]] = {
    "region": ("us-east-1", "us-east-1", "eu-central-1"),
    "replica_regions": ("us-west-2", "eu-west-1,us-west-2"),
    "environment": ("production", "staging"),
    "application": ("eonpro", "clinic"),
    "administrators": ("caller", f"caller,{COLLEAGUE}"),
    "administrator_patterns": (
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Key_????????",
    ),
    "deletion_administrators": ("caller", COLLEAGUE),
    "incident_responders": ("caller", f"caller,{COLLEAGUE}"),
    "usage_guard_days": (0, 30, 180),
    "rotation_period_days": (90, 200, 2560),
    "trail": ("create", "create", TRAIL),
    "trail_retention_days": (2192, 3000, 3653),
    "trail_archive_days": (0, 90, 400),
    "backup_max_age_days": (30, 180),
    "alert_emails": ("security@clinic.example", "security@clinic.example,ops@clinic.example"),
    "app_principal": ("create", "create", ROLE),
    "permissions_boundary": (BOUNDARY,),
    "variable_names": ("AWS_REGION=EONPRO_AWS_REGION",),
    "record_tables": ("Patient.id=firstName+email:emailHash",),
    "document_buckets": (DOCUMENTS,),
    "vercel_environment": ("production", "preview"),
    "ecs_service": ("eonpro",),
    "ecs_execution_role": ("create",),
    "eks_cluster": ("clinic",),
    "eks_oidc_provider": (CLUSTER,),
    "eks_namespace": ("eonpro", "clinic"),
    "eks_service_account": ("eonpro", "portal"),
}
"""What is drawn for an input that is free text; choices and yes or no are drawn from the table of inputs itself."""
LEFT_OUT = {
    "profile": "the sandbox has no profiles",
    "encrypted_phi_key": "of an import",
    "encrypted_phi_hash_key": "of an import",
    "former_key": "of an application that has a key",
    "repair": "of an import",
    "replace_variable": "of variables of somebody else",
    "trail_bucket": "drawn with the trail",
    "vercel_environments": "of a project with environments of its own",
    "vercel_issuer_mode": "read from the project",
    "vercel_oidc_provider": "made by an earlier stack",
    "vercel_token": "a secret",
    "backend": "the sandbox has one",
    "secrets_provider": "the sandbox has one",
    "passphrase": "a secret",
    "backup_to": "another command",
}
FIXED = {"account", "region", "environment", "application", "multi_region", "replica_regions", "target", "trail",
         "app_principal", "secret_store", "permissions_boundary", "hash_key"}  # fmt: skip
"""What a stack is not asked to change, by its own rules."""
_CHANCE = re.compile(r"\b(?:mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b")

IDENTITY = Identity(account_id=ACCOUNT, arn=CALLER, principal_arn=CALLER, account_alias=None, source="the sandbox")
Values = dict[str, Any]


def drawn_value(entry: Input, chance: random.Random) -> Any:
    """A value of an input. Raises KeyError for free text that this table does not know."""
    if entry.key == "target":
        return ",".join(chance.sample([target.name for target in all_targets()], chance.choice((1, 1, 1, 2, 3))))
    if entry.key in VALUES:
        return chance.choice(VALUES[entry.key])
    if entry.kind is InputType.CONFIRM:
        return chance.choice(("yes", "no"))
    return chance.choice([choice.value for choice in entry.choices]) if entry.choices else VALUES[entry.key]


def drawn(chance: random.Random) -> Values:
    """Answers that fit together."""
    while True:
        values: Values = {}
        for entry in (entry for entry in INPUTS if entry.key not in LEFT_OUT):
            is_asked = not entry.optional and entry.default is None
            if entry.needed(parsed(values)) and (is_asked or chance.random() < 0.3):
                values[entry.key] = ALWAYS.get(entry.key) or drawn_value(entry, chance)
        if values.get("trail") == TRAIL:
            values["trail_bucket"] = f"company-trail-logs-{ACCOUNT}"
        if fit(values):
            return values


def changed(values: Values, chance: random.Random) -> tuple[str, Values]:
    """The answers with another value of one input, and its name."""
    free = [entry for entry in INPUTS if entry.key not in LEFT_OUT.keys() | FIXED | ALWAYS.keys()]
    while True:
        entry = chance.choice(free)
        new = {**values, entry.key: drawn_value(entry, chance)}
        is_new = parsed(new).get(entry.key) not in (parsed(values).get(entry.key), entry.default)
        if is_new and entry.needed(parsed(values)) and fit(new) and not forbidden(new, values):
            return entry.key, new


def forbidden(new: Values, values: Values) -> bool:
    """Whether the set-up refuses the change, before anything is changed."""
    settings, saved = (answers.to_settings(parsed(each), identity=IDENTITY) for each in (new, values))
    return bool(forbidden_changes(settings, saved, "production", StackState(exists=True, has_key=True)))


def parsed(values: Values) -> Values:
    return {entry.key: entry.parse(str(values[entry.key])) for entry in INPUTS if entry.key in values}


def fit(values: Values) -> bool:
    """Whether the settings take the answers, and the account can have them."""
    from components.settings import ContractError

    try:
        settings = answers.to_settings(parsed(values), identity=IDENTITY)
    except (ContractError, SetupError, ValueError):
        return False
    is_here = values.get("trail") != TRAIL or settings.region == "us-east-1"
    # Nobody here has the credentials of a role, which a check value needs.
    is_opened = settings.makes_user or not settings.key_check_value
    # An existing role trusts one kind of application.
    return is_here and is_opened and (settings.app_principal_arn is None or values["target"] == "ecs")


def prepare(cloud: Deployment, values: Values) -> None:
    """What the answers name is in the account."""
    region = values["region"]
    if values.get("trail") == TRAIL:
        cloud.run(["bash", "examples/manual-setup/trail.sh"])
    if values.get("app_principal") == ROLE:
        trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        cloud.client("iam").create_role(RoleName="portal", AssumeRolePolicyDocument=document)
    if "document_buckets" in values:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        cloud.client("s3", region=region).create_bucket(Bucket=DOCUMENTS, **where)
    if "eks_oidc_provider" in values:
        issuer = f"https://{CLUSTER.partition('/')[2]}"
        cloud.client("iam").create_open_id_connect_provider(Url=issuer, ClientIDList=["sts.amazonaws.com"])
    if "permissions_boundary" in values:
        printed = cloud.wizard("policy", "boundary", "--answers", "drawn.yaml", "--account", ACCOUNT).document
        cloud.client("iam").create_policy(PolicyName="Boundary", PolicyDocument=json.dumps(printed))


@dataclass(frozen=True, kw_only=True)
class Result:
    """The exit code of each step, what the stack recorded, and what the first failure printed."""

    codes: Mapping[str, int]
    recorded: Mapping[str, Any]
    said: str
    seconds: float

    @property
    def words(self) -> str:
        return " ".join(f"{step} {code}" for step, code in self.codes.items())


def lived(cloud: Deployment, values: Values, changes: Values) -> Result:
    """A set-up, two previews that find no change, a change, and the removal."""
    began, codes, said = time.monotonic(), {}, ""
    stack = values.get("environment", "production")
    recorded: dict[str, Any] = {}
    # The lock of the logs may be one that nobody can end.
    unattended = ("--stack", stack, "--answers", "drawn.yaml", "--yes", "--confirm", stack, "--non-interactive")

    def step(name: str, run: Callable[..., Any], *arguments: str) -> None:
        nonlocal said
        ended = run(*arguments, expect=None)
        codes[name] = ended.code
        if ended.code and not said:
            said = f"{name}: {ended.output[-1500:]}"

    def resources() -> list[dict[str, Any]]:
        """None of a set-up that was refused before there was a stack."""
        return list(cloud.state(stack).get("resources") or ()) if cloud.stack_exists(stack) else []

    def record(name: str) -> None:
        for each in resources():
            place = f"{name} {each['type']} {each['urn'].rsplit('::', 1)[-1]}"
            recorded[place] = json.loads(_CHANCE.sub("ID", json.dumps(given(each.get("inputs", {})))))

    guarded = ("preview", "--stack", stack, "--expect-no-changes", "--policy-pack", "guardrails")
    for name, answered in (("setup", values), ("change", changes)):
        (cloud.folder / "drawn.yaml").write_text(json.dumps(answered), encoding="utf-8")
        if name == "setup":
            prepare(cloud, values)
        step(name, cloud.wizard, *unattended)
        record(name)
        if name == "setup":
            for check, more in (("preview", ()), ("refresh", ("--refresh",))):
                step(check, cloud.pulumi, *guarded, *more)
    step("destroy", cloud.wizard, "destroy", "--stack", stack, "--confirm", stack)
    recorded["left"] = len([each for each in resources() if each.get("custom")])
    return Result(codes=codes, recorded=recorded, said=said, seconds=time.monotonic() - began)


@contextmanager
def under(provider: str, template: Deployment, root: Path) -> Iterator[Deployment]:
    """A deployment with an empty cloud, whose engine has this AWS provider."""
    with forked(template, root) as cloud:
        engine, _ = plugins()
        install(engine, Path(cloud.environment["PULUMI_HOME"]), loaded_python(), choice=provider)
        yield cloud


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drawn", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--only", type=int, help="the number of one drawn file")
    parser.add_argument(
        "--provider", action="append", default=[], help="official, or a program: what the stand-in is compared with"
    )
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    # The real provider waits for AWS, and a machine may be busy.
    deployments.TIMEOUT_SECONDS = 900.0
    numbers = range(options.count) if options.only is None else [options.only]
    failed: list[int] = []

    def one(number: int) -> None:
        chance = random.Random(f"{options.seed}/{number}")
        values = drawn(chance)
        key, changes = changed(values, chance)
        print(f"{number:3} {json.dumps(values)} then {key} {json.dumps(changes[key])}", flush=True)
        results = {}
        for provider in (STANDIN, *options.provider):
            with tempfile.TemporaryDirectory() as folder, under(provider, template, Path(folder, "run")) as cloud:
                results[provider] = lived(cloud, values, changes)
            result = results[provider]
            print(
                f"{number:3} {Path(provider).name:8.8} {result.seconds:4.0f} s {result.words} {result.said}", flush=True
            )
        first = results[STANDIN]
        for provider, result in results.items():
            places = sorted(first.recorded.keys() | result.recorded.keys())
            different = [each for each in places if first.recorded.get(each) != result.recorded.get(each)]
            if any(result.codes.values()) or result.codes != first.codes or different:
                failed.append(number)
                print(f"{number:3} {Path(provider).name:8.8} DIFFERS {different}", flush=True)

    with (
        tempfile.TemporaryDirectory() as folder,
        running_deployment(Path(folder, "template")) as template,
        ThreadPoolExecutor(max_workers=min(options.workers, 2)) as pool,
    ):
        list(pool.map(one, numbers))
    print(f"{len(numbers)} drawn with seed {options.seed}, {len(set(failed))} with a difference: {sorted(set(failed))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
