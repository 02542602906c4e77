"""`python -m tools.application`: the TypeScript example, started in the sandbox with the variables that the stack
delivered.

Installs the example's packages into `.cache/` with npm, `@eonpro/phi` from its tarball; starts Node and `phi` as the
application, with its credentials and no others; reads the stack's settings and outputs, and the sandbox.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bootstrap.places import PROJECT
from tools.node_package import NpmFailed, packages, tarball

if TYPE_CHECKING:
    from components.settings import Settings

EXAMPLE = PROJECT / "examples" / "application"
TEXT = "Made-up patient, Jöhn Dœ"

_PHI = """
import json, sys
from eonpro_phi import PhiFields
fields = PhiFields.from_environment()
given = ("email",) if sys.argv[1] == "search_hash" else ()
print(json.dumps([getattr(fields, sys.argv[1])(*given, text) for text in json.load(sys.stdin)]))
"""


class NotStarted(RuntimeError):
    """The example did not start; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The environment of the application on its platform."""

    variables: Mapping[str, str] = field(repr=False)
    """Its environment."""
    for_phi: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Additional variables with which `phi`, which knows nothing of Vercel, is the same principal."""
    token: str | None = field(repr=False, default=None)
    """Vercel's OIDC token: in the headers of each request, and nowhere else."""


def modules() -> Path:
    """The example's packages, `@eonpro/phi` among them: installed from its tarball. Raises NpmFailed."""
    return packages(EXAMPLE, [tarball()])


@contextmanager
def folder() -> Iterator[Path]:
    """A copy of the example beside its packages."""
    with tempfile.TemporaryDirectory(prefix="eonpro-application-") as name:
        copy = Path(name) / "application"
        shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
        (copy / "node_modules").symlink_to(modules())
        yield copy


class Application:
    """The example while it runs."""

    def __init__(self, address: str, platform: Platform) -> None:
        self._address = address
        self._platform = platform

    def ask(self, route: str, *texts: str) -> list[str]:
        """The answer to a request to `encrypt`, `decrypt` or `hash`. Raises HTTPError (503 without a key)."""
        headers = {"x-vercel-oidc-token": self._platform.token} if self._platform.token else {}
        request = urllib.request.Request(f"{self._address}/{route}", data=json.dumps(texts).encode(), headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            found: list[str] = json.loads(answer.read())
            return found


@contextmanager
def running(platform: Platform) -> Iterator[Application]:
    """The example, started as on that platform. Raises NotStarted with its output."""
    with folder() as copy, (copy / "log").open("w+") as log:
        child = subprocess.Popen(
            ["node", "--import", "tsx", "src/serve.ts"],
            cwd=copy,
            env=_environment(copy, {"NEXT_RUNTIME": "nodejs", "NODE_ENV": "production", **platform.variables}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert child.stdout is not None
        try:
            address = child.stdout.readline().strip()
            if not address:
                child.wait()
                log.seek(0)
                raise NotStarted(log.read().strip())
            yield Application(address, platform)
        finally:
            child.terminate()
            child.wait()
            child.stdout.close()


def phi(platform: Platform, method: str, *texts: str) -> list[str]:
    """The answer of `phi` to `encrypt`, `decrypt` or `search_hash`, in a process of its own, as the same principal."""
    done = subprocess.run(
        [sys.executable, "-c", _PHI, method],
        cwd=PROJECT,
        env=_environment(PROJECT, {**platform.variables, **platform.for_phi}),
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def _environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    # Nothing of the operator's: neither credentials nor a profile.
    own = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**own, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables}


def on_vercel(variables: Mapping[str, str], role: str, environ: Mapping[str, str]) -> Platform:
    """A deployment on Vercel with these variables: by its OIDC token, unless an access key is among them."""
    given = {**variables, "VERCEL": "1", "AWS_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]}
    if "AWS_ACCESS_KEY_ID" in variables:
        return Platform(variables=given)
    file = environ["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]
    return Platform(
        variables={**given, "AWS_ROLE_ARN": role},
        for_phi={"AWS_WEB_IDENTITY_TOKEN_FILE": file},
        token=Path(file).read_text().strip(),
    )


def in_container(variables: Mapping[str, str], environ: Mapping[str, str]) -> Platform:
    """A task on ECS, or a pod on EKS, with these variables: by the credentials endpoint of its container."""
    place = environ["EONPRO_APP_CONTAINER_CREDENTIALS_URI"]
    given = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": place, "AWS_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]}
    return Platform(variables={**variables, **given})


def delivered(target: str, settings: Settings, stack: str, environ: Mapping[str, str]) -> Platform:
    """The environment that the platform gives to the application at that target of the stack, in the sandbox."""
    names = {} if settings.delivered_names.are_guides else {"PHI_VARIABLE_NAMES": ",".join(settings.variable_names)}
    if target != "vercel":
        return in_container({**_stored(settings), **names}, environ)
    place = f"{environ['VERCEL_API_URL']}/_sandbox/deployment/{settings.vercel_project}"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(place, timeout=10) as answer:
        variables = {**json.loads(answer.read()), **names}
    shown = ["pulumi", "stack", "output", "appPrincipalArn", "--stack", stack]
    role = subprocess.run(shown, cwd=PROJECT, env=dict(environ), capture_output=True, text=True, check=True).stdout
    return on_vercel(variables, role.strip(), environ)


def _stored(settings: Settings) -> dict[str, str]:
    """The three variables, read from the stack's store as the platform reads them when it starts a container."""
    import boto3

    from components.settings import SecretStore

    prefix = settings.names.parameter_prefix
    names = {f"{prefix}/{variable}": name for name, variable in settings.delivered_variables.items()}
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        client = boto3.client("secretsmanager", region_name=settings.region)
        return {name: client.get_secret_value(SecretId=place)["SecretString"] for place, name in names.items()}
    read = boto3.client("ssm", region_name=settings.region).get_parameters(Names=[*names], WithDecryption=True)
    return {names[each["Name"]]: each["Value"] for each in read["Parameters"]}


def main(arguments: Sequence[str]) -> int:
    """The end of `make demo`; exit code 1 when the application started and did not work."""
    from wizard.pulumi_engine.config import saved_settings

    parser = argparse.ArgumentParser(prog="python -m tools.application", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    try:
        modules()
    except NpmFailed as error:
        print(f"! the application was not started: {error}. The rest of the demo is complete.")
        return 0
    settings = saved_settings(PROJECT, stack)
    assert settings is not None, f"there is no stack {stack}"
    return max(_show(target, settings, stack) for target in settings.deploy_targets)


_PLATFORMS = ("vercel", "ecs")
"""The deploy targets whose credentials the sandbox gives to a program of this machine."""


def _show(target: str, settings: Settings, stack: str) -> int:
    if target not in _PLATFORMS:
        print(f"- the application as on {target}: not started, because that platform does not run here")
        return 0
    platform = delivered(target, settings, stack, os.environ)
    try:
        with running(platform) as application:
            [record] = application.ask("encrypt", TEXT)
            [text] = phi(platform, "decrypt", record)
            [back] = application.ask("decrypt", *phi(platform, "encrypt", TEXT))
    except (NotStarted, OSError, subprocess.CalledProcessError) as error:
        print(f"✗ the application as on {target} failed: {error}\n{getattr(error, 'stderr', None) or ''}")
        return 1
    is_good = text == back == TEXT
    how = "read" if is_good else "do not read"
    print(f"{'✓' if is_good else '✗'} examples/application, as on {target}, and phi {how} each other's records")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
