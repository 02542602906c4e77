"""The environment variables with which a shell, an SDK, the Pulumi CLI and the wizard use the running sandbox.

Reads the environment and the engine's choice in `.cache/`; changes nothing.
"""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components import installation
from components.installation import origin
from sandbox.state import (
    APP_ROLE,
    FOLDERS,
    LOOPBACK,
    PASSPHRASE,
    PROJECT,
    REGION,
    SOURCE,
    SandboxPaths,
    State,
    sandbox_paths,
)

CACHE = Path(installation.CACHE)

_IN_URL = {ord(character): f"%{ord(character):02X}" for character in "%?#"}
SCRIPT = "eonpro-sandbox"
"""The console script that `make setup` writes into `.venv/bin`."""

# Each of these would make an SDK use another endpoint or other credentials; an empty value does not help,
# since botocore looks for a profile named "".
CONFLICTING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN",
           "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
           "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The Pulumi CLI in use; `kind` says how it was chosen."""

    path: Path
    kind: str
    version: str


def engine(environment: Mapping[str, str] | None = None) -> Engine | None:
    """The chosen Pulumi CLI: `EONPRO_ENGINE`, else the one that was recorded, else an installed sandbox's on PATH."""
    environment = os.environ if environment is None else environment
    if named := environment.get("EONPRO_ENGINE"):
        return Engine(path=Path(named).absolute(), kind="environment", version="")
    try:
        choice = json.loads((CACHE / "engine" / "choice.json").read_text())
        path = PROJECT / choice["path"]
        return Engine(path=path, kind=str(choice.get("kind", "")), version=str(choice.get("version", "")))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        found = shutil.which("pulumi", path=environment.get("PATH")) if installation.IS_INSTALLED else None
        # The language host goes next to the program itself.
        return Engine(path=Path(found).resolve(), kind="path", version="") if found else None


def interpreter() -> Path:
    """The Python with the sandbox's dependencies: that of a checkout's `.venv`, else the current one."""
    venv_python = SOURCE / ".venv" / "bin" / "python"
    return venv_python if venv_python.exists() else Path(sys.executable)


def program(paths: SandboxPaths | None = None) -> str:
    """The command line of this sandbox for any folder, quoted for a shell."""
    script = interpreter().with_name(SCRIPT)
    is_to_be_kept = origin.IS_TEMPORARY and origin.origin().url
    called = shlex.join(origin.by_uvx(extra="[sandbox]", script=SCRIPT) if is_to_be_kept else (str(script),))
    if not script.exists():
        folders = shlex.quote(os.pathsep.join(map(str, FOLDERS)))
        called = f"PYTHONPATH={folders} {shlex.quote(str(interpreter()))} -P -m sandbox"
    root = (paths or sandbox_paths()).root
    is_default = root == PROJECT / ".sandbox" and not installation.IS_INSTALLED
    return called if is_default else f"EONPRO_SANDBOX_DIR={shlex.quote(str(root))} {called}"


def eval_line(paths: SandboxPaths | None = None) -> str:
    """The line that a person types to use the sandbox in a shell of their own."""
    return f'eval "$({program(paths)} env)"'


def search_path(paths: SandboxPaths, environment: Mapping[str, str]) -> str:
    """PATH with the engine, the project's Python and its AWS CLI first, without duplicates; the sandbox's own last."""
    chosen = engine(environment)
    directories = [chosen.path.parent] if chosen else []
    directories += [interpreter().parent, CACHE / "awscli" / "bin"]
    own_directories = list(dict.fromkeys(map(str, directories)))
    rest = [
        part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part and part not in own_directories
    ]
    last = str(paths.programs)
    brought = [last] if paths.programs.exists() and last not in rest else []
    return os.pathsep.join([*own_directories, *rest, *brought])


def variables(paths: SandboxPaths, state: State, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every variable of the sandbox by name, in the order of output."""
    environment = os.environ if environment is None else environment
    task = f"{state.aws_url}/_sandbox/task-credentials?role={APP_ROLE}"
    values = {
        "AWS_ENDPOINT_URL": state.aws_url,
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(paths.aws_config / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(paths.aws_config / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "VERCEL_API_URL": state.vercel_url,
        "VERCEL_TOKEN": state.vercel_token,
        "EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": str(paths.web_identity_token),
        "EONPRO_APP_CONTAINER_CREDENTIALS_URI": task,
        "PULUMI_HOME": str(paths.pulumi_home),
        # Pulumi reads it as a URL, in which these three characters of a folder's name would end the path.
        "PULUMI_BACKEND_URL": f"file://{str(paths.backend).translate(_IN_URL)}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The plug-ins are installed; a search for newer ones would wait for a site that may not answer.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PATH": search_path(paths, environment),
    }
    if any(environment.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        for name in ("NO_PROXY", "no_proxy"):
            hosts = [host for host in environment.get(name, "").split(",") if host and host != LOOPBACK]
            values[name] = ",".join([*hosts, LOOPBACK])
    return values


def shell_lines(paths: SandboxPaths, state: State, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The lines for `eval`: `unset` for each conflicting variable that is set, then `export` for each variable."""
    environment = os.environ if environment is None else environment
    conflicting = [name for name in environment if name in CONFLICTING or name.startswith("AWS_ENDPOINT_URL_")]
    named = variables(paths, state, environment)
    return (
        *(f"unset {shlex.quote(name)}" for name in sorted(conflicting)),
        *(f"export {name}={shlex.quote(value)}" for name, value in named.items()),
    )
