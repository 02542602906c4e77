"""A person's terminal: a world with a fault, a shell in the project's folder, and what the account has.

Starts and ends the processes of one world; writes below the world's folder.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.settings import ContractError, Settings
from tests.chaos.world import World, phi
from tests.onboarding.deployment import Deployment
from tools.bootstrap.packages import shebang
from wizard.pulumi_engine.config import as_text

BROWSER = "browser.json"
"""In a world's folder: the keys that whoever signs in to AWS in the browser gets."""
SECONDS = 600.0
"""For one pasted command: on a busy machine too, only one that never ends takes longer."""

_PYTHON = """\
#!/bin/sh
case "$1 $2" in
# For whom no variable names an endpoint, this is AWS itself.
"-m eonpro_phi") AWS_ENDPOINT_URL="${{AWS_ENDPOINT_URL:-{aws}}}" exec {phi} "$@" ;;
"-P -m") shift; AWS_ENDPOINT_URL="${{AWS_ENDPOINT_URL:-{aws}}}" exec {phi} "$@" ;;
"-m wizard") [ -d wizard ] && exec {phi} "$@"; echo "$0: No module named wizard" >&2; exit 1 ;;
esac
exec {real} "$@"
"""

_VERCEL = """\
#!/bin/sh
# Made up: what Vercel's own CLI does, as far as a message asks for it. The person signs in in the browser.
login="$HOME/.local/share/com.vercel.cli/auth.json"
case "$1 $2" in
"login "*) mkdir -p "$(dirname "$login")" && echo '{{"token": "{token}"}}' >"$login"; exit ;;
"api /"*) exec curl -fsS -o /dev/null -X "$4" -H "Authorization: Bearer ${{VERCEL_TOKEN:-{token}}}" \\
    -H "Content-Type: application/json" "${{VERCEL_API_URL:-{url}}}$2?slug=eonpro" -d @- ;;
"project add") exec curl -fsS -o /dev/null -X POST -H "Authorization: Bearer ${{VERCEL_TOKEN:-{token}}}" \\
    "${{VERCEL_API_URL:-{url}}}/v11/projects?slug=eonpro" \\
    -d "{{\\"name\\": \\"$3\\", \\"framework\\": \\"nextjs\\"}}" ;;
esac
echo "Error: $* is not known here" >&2
exit 1
"""

_AWS = """\
{shebang}
# Made up: `aws login` of the second AWS CLI, where the person signs in in the browser, and the credentials of that
# sign-in, which it exports; everything else is the real first one.
import configparser, os, sys
arguments, file = sys.argv[1:], os.environ["AWS_CONFIG_FILE"]
named = dict(zip(arguments, arguments[1:])).get("--profile", os.environ.get("AWS_PROFILE") or "default")
section = "default" if named == "default" else "profile " + named
profiles = configparser.ConfigParser(interpolation=None)
profiles.read(file)
if arguments == ["--version"]:
    print("aws-cli/2.32.0 (made up)")
elif arguments[:1] == ["login"]:
    if profiles.has_option(section, "aws_access_key_id"):
        sys.exit(f"Profile '{{named}}' is already configured with Access Key credentials.")
    profiles.has_section(section) or profiles.add_section(section)
    profiles.set(section, "login_session", "arn:aws:iam::000000000000:user/made-up")
    with open(file, "w") as written:
        profiles.write(written)
elif arguments[:2] == ["configure", "export-credentials"]:
    print(open({browser!r}).read())
else:
    if not os.environ.get("AWS_ACCESS_KEY_ID") and profiles.has_option(section, "login_session"):
        import json
        new = json.load(open({browser!r}))
        os.environ.update(AWS_ACCESS_KEY_ID=new["AccessKeyId"], AWS_SECRET_ACCESS_KEY=new["SecretAccessKey"])
    os.execv({real!r}, ["aws", *arguments])
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended."""

    command: str
    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """Its standard output as one JSON document; empty where it is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def programs(root: Path, project: Path, environment: Mapping[str, str]) -> Path:
    """A folder with `python`, `eonpro-kms`, `aws` and `vercel` of one project: the wizard begins with its libraries
    loaded."""
    folder = root / "programs"
    folder.mkdir(exist_ok=True)
    real = shutil.which("aws", path=environment["PATH"])
    loaded = shlex.quote(str(phi()))
    for name, text in {
        "python": _PYTHON.format(phi=loaded, real=shlex.quote(sys.executable), aws=environment["AWS_ENDPOINT_URL"]),
        # The wizard looks whether it is the script of its own folder.
        "eonpro-kms": f'#!/bin/sh\n# {str(project)!r}\nexec {loaded} -m wizard "$@"\n',
        "vercel": _VERCEL.format(token=environment["VERCEL_TOKEN"], url=environment["VERCEL_API_URL"]),
        "aws": _AWS.format(shebang=shebang(Path(sys.executable), "-IS"), real=real, browser=str(root / BROWSER)),
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


class Night:
    """One world, and the shell of the person who is to put it right."""

    def __init__(self, world: World) -> None:
        deployment = Deployment(root=world.root, folder=world.folder, environment=world.environment)
        self.cloud, given = deployment, deployment.environment
        bin_folder = programs(deployment.root, deployment.folder, given)
        orders = {
            "phi": str(bin_folder / "python"), "folder": str(deployment.folder), "vercel": given["VERCEL_API_URL"],
            "control": str(world.root / "control"),
        }  # fmt: skip
        if world.recorded:
            orders["engine"] = str(world.recorded)
        self.environment = {
            **deployment.environment,
            "HOME": str(deployment.root / "home"),
            "PATH": f"{bin_folder}{os.pathsep}{deployment.environment['PATH']}",
            "CHAOS_ORDERS": json.dumps(orders),
        }
        self._own_pulumi_home()
        self.signs_in_as(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
        config = deployment.root / "aws-config"
        config.write_text(f"[default]\nendpoint_url = {given['AWS_ENDPOINT_URL']}\n")
        self.environment["AWS_CONFIG_FILE"] = str(config)
        self.typed = ""
        """What the person has at hand when a command asks for a value."""
        self.refusals: list[dict[str, Any]] = []
        """What AWS refuses to everybody; whoever looks at the account for the judge sees it all the same."""
        self.log: list[Ended] = []

    def _own_pulumi_home(self) -> None:
        """`pulumi login` writes to PULUMI_HOME, which the worlds share."""
        shared, own = Path(self.environment["PULUMI_HOME"]), self.cloud.root / "pulumi-home"
        own.mkdir()
        for each in shared.iterdir():
            (own / each.name).symlink_to(each)
        self.environment["PULUMI_HOME"] = str(own)

    def signs_in_as(self, key: str, secret: str) -> None:
        """Who signs in to AWS in the browser gets that access key."""
        keys = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret}
        (self.cloud.root / BROWSER).write_text(json.dumps(keys))

    # --- the shell

    def paste(self, command: str, *, typed: str | None = None) -> Ended:
        """The command as a person pastes it; what it exports stays exported."""
        variables = self.cloud.root / "variables"
        script = 'eval "$1"; code=$?; env -0 >"$2"; exit $code'
        try:
            done = subprocess.run(
                ["bash", "-c", script, "bash", command, str(variables)],
                cwd=self.cloud.folder, env=self.environment, input=self.typed if typed is None else typed,
                capture_output=True, text=True, check=False, timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess([command], 124, "", "it did not end")
        if variables.exists():
            given = dict(each.partition("=")[::2] for each in variables.read_text().split("\0") if each)
            variables.unlink()
            self.environment = {name: given[name] for name in given if name not in ("_", "SHLVL", "PWD", "OLDPWD")}
        ended = Ended(command=command, code=done.returncode, out=done.stdout, err=done.stderr)
        self.log.append(ended)
        return ended

    def wizard(self, *words: str) -> Ended:
        """The wizard, as the person who has the trouble types it."""
        return self.paste(f"eonpro-kms {' '.join(words)}")

    # --- what there is

    def facts(self) -> dict[str, str]:
        """What there is in the account, at the targets and on this machine, by its place."""
        if self.refusals:
            self.cloud.no_more_faults()
        found = {place: _text(value) for place, value in facts_of(self.cloud)}
        for each in self.refusals:
            self.cloud.fault(**each)
        return found

    @property
    def state(self) -> Path:
        """The file of the stack's state."""
        return self.backend / ".pulumi" / "stacks" / "eonpro-kms" / "production.json"

    @property
    def backend(self) -> Path:
        """The folder of the stack's backend."""
        return Path(self.cloud.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))

    @property
    def settings(self) -> Path:
        """The stack's settings file."""
        return self.cloud.folder / "Pulumi.production.yaml"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


_OF_AN_IMPORT = {"adopted", "kept_as_found", "trail_bucket", "vercel_oidc_provider_arn"}
"""What an import writes down that was not written before; the bucket's name is compared apart."""
_LEFT_OUT = ("ResponseMetadata", "Owner", "LastModifiedDate", "LastModifiedUser")


def facts_of(cloud: Deployment) -> Iterator[tuple[str, object]]:
    """Places and what is there; nothing that a right command changes by the way, such as ids and times."""
    yield from _kms(cloud)
    yield from _iam(cloud)
    yield from _trail(cloud)
    yield from _buckets(cloud)
    yield from _alerts(cloud)
    for name, value in cloud.parameters().items():
        yield f"parameter {name}", value
    yield from _vercel(cloud)
    yield from _ecs(cloud)
    yield from _here(cloud)


def _kms(cloud: Deployment) -> Iterator[tuple[str, object]]:
    kms = cloud.client("kms")
    for alias in kms.list_aliases()["Aliases"]:
        if not alias["AliasName"].startswith("alias/aws/"):
            yield f"alias {alias['AliasName']}", alias.get("TargetKeyId")
    for arn in cloud.all_keys():
        key = kms.describe_key(KeyId=arn)["KeyMetadata"]
        if key["Description"].startswith("Default key that protects"):
            continue
        yield f"key {arn}", key["KeyState"]
        yield f"key {arn} policy", json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        if key["KeyState"] == "Enabled":
            rotation = kms.get_key_rotation_status(KeyId=arn)
            yield f"key {arn} rotation", [rotation["KeyRotationEnabled"], rotation.get("RotationPeriodInDays")]
        yield f"key {arn} grants", sorted(each["GranteePrincipal"] for each in kms.list_grants(KeyId=arn)["Grants"])


def _iam(cloud: Deployment) -> Iterator[tuple[str, object]]:
    iam = cloud.client("iam")
    found = iam.get_account_authorization_details(Filter=["User", "Role"])
    for role in found["RoleDetailList"]:
        name = f"role {role['RoleName']}"
        yield name, role["AssumeRolePolicyDocument"]
        boundary = iam.get_role(RoleName=role["RoleName"])["Role"].get("PermissionsBoundary", {})
        yield f"{name} boundary", boundary.get("PermissionsBoundaryArn")
        yield f"{name} attached", sorted(each["PolicyArn"] for each in role["AttachedManagedPolicies"])
        yield f"{name} inline", role["RolePolicyList"]
        yield f"{name} tags", sorted((each["Key"], each["Value"]) for each in role.get("Tags", []))
    for user in found["UserDetailList"]:
        name = f"user {user['UserName']}"
        yield f"{name} attached", sorted(each["PolicyArn"] for each in user.get("AttachedManagedPolicies", []))
        yield f"{name} inline", user.get("UserPolicyList", [])
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        yield f"policy {policy['PolicyName']}", version["PolicyVersion"]["Document"]
    for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        one = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])
        yield f"provider {provider['Arn']}", sorted(one["ClientIDList"])


def _trail(cloud: Deployment) -> Iterator[tuple[str, object]]:
    cloudtrail = cloud.client("cloudtrail")
    for trail in cloudtrail.describe_trails()["trailList"]:
        name = f"trail {trail['Name']}"
        yield name, {each: value for each, value in trail.items() if each not in ("HasCustomEventSelectors",)}
        yield f"{name} logs", cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
        selectors = cloudtrail.get_event_selectors(TrailName=trail["TrailARN"])
        # An empty list is left out by some of who write them.
        yield (
            f"{name} selectors",
            [
                {field: value for field, value in each.items() if value != []}
                for kind in ("EventSelectors", "AdvancedEventSelectors")
                for each in selectors.get(kind) or ()
            ],
        )


def _buckets(cloud: Deployment) -> Iterator[tuple[str, object]]:
    s3 = cloud.client("s3")
    asked = (
        "get_bucket_policy", "get_bucket_versioning", "get_object_lock_configuration", "get_bucket_encryption",
        "get_bucket_lifecycle_configuration", "get_public_access_block", "get_bucket_logging",
    )  # fmt: skip
    for bucket in s3.list_buckets()["Buckets"]:
        yield f"bucket {bucket['Name']}", "there"
        for call in asked:
            try:
                answer = getattr(s3, call)(Bucket=bucket["Name"])
            except s3.exceptions.ClientError as error:
                answer = error.response["Error"]["Code"]
            else:
                answer = {name: value for name, value in answer.items() if name not in _LEFT_OUT}
                if "Policy" in answer:
                    answer = json.loads(answer["Policy"])
            yield f"bucket {bucket['Name']} {call.removeprefix('get_').removeprefix('bucket_')}", answer


def _alerts(cloud: Deployment) -> Iterator[tuple[str, object]]:
    sns = cloud.client("sns")
    for topic in sns.list_topics()["Topics"]:
        attributes = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]
        yield f"topic {topic['TopicArn']}", json.loads(attributes["Policy"])
    events = cloud.client("events")
    for rule in events.list_rules()["Rules"]:
        targets = sorted(each["Arn"] for each in events.list_targets_by_rule(Rule=rule["Name"])["Targets"])
        yield f"rule {rule['Name']}", [rule["State"], json.loads(rule.get("EventPattern", "{}")), targets]
    for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        yield f"alarm {alarm['AlarmName']}", [alarm["ActionsEnabled"], alarm["Threshold"], alarm["AlarmActions"]]


def _vercel(cloud: Deployment) -> Iterator[tuple[str, object]]:
    try:
        listed = cloud.vercel("GET", "/v10/projects/eonpro/env")["envs"]
    except urllib.error.HTTPError:
        return
    for each in listed:
        for environment in each["target"]:
            yield f"vercel {each['key']} in {environment}", each["type"]
    deployed, runs = cloud.deployed(), cloud.runs()["environment"]
    for name in ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"):
        if name in deployed:
            yield f"vercel {name}", deployed[name]
            yield f"vercel {name} runs", runs.get(name)


def _ecs(cloud: Deployment) -> Iterator[tuple[str, object]]:
    ecs = cloud.client("ecs")
    for cluster in ecs.list_clusters()["clusterArns"]:
        for service in ecs.list_services(cluster=cluster)["serviceArns"]:
            [one] = ecs.describe_services(cluster=cluster, services=[service])["services"]
            task = ecs.describe_task_definition(taskDefinition=one["taskDefinition"])["taskDefinition"]
            containers = [
                sorted(each["name"] for each in one.get("secrets", [])) for one in task["containerDefinitions"]
            ]
            yield f"service {one['serviceName']}", [task.get("taskRoleArn"), containers]


def _here(cloud: Deployment) -> Iterator[tuple[str, object]]:
    try:
        config = (yaml.safe_load((cloud.folder / "Pulumi.production.yaml").read_text()) or {})["config"]
        found = Settings.from_config({name: as_text(value) for name, value in config.items()})
        yield "settings", found.model_dump(mode="json", exclude=_OF_AN_IMPORT)
        yield "settings of the bucket", found.names.trail_bucket
        yield "settings of the account", as_text(config.get("aws:allowedAccountIds", ""))
    except (OSError, yaml.YAMLError, AttributeError, LookupError, ContractError) as error:
        yield "settings", type(error).__name__
    state = Path(cloud.environment["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi"
    try:
        latest = json.loads((state / "stacks/eonpro-kms/production.json").read_text())["checkpoint"]["latest"]
        urns = (each["urn"] for each in latest.get("resources") or ())
        # An import uses the account's OIDC provider, and leaves it out.
        yield "state", sorted(urn for urn in urns if "OpenIdConnectProvider" not in urn and "::pulumi:" not in urn)
        yield "state pending", latest.get("pending_operations") or []
    except (OSError, ValueError, KeyError) as error:
        yield "state", type(error).__name__
    yield "locks", sorted(each.name for each in state.glob("locks/**/*.json"))
