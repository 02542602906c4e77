"""The environment variables of the started programs: the caller's, without those that would change the installation.

Reads the environment and, through the runner, pip's configuration; prints nothing of either.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from tools.bootstrap.machine import base_python
from tools.bootstrap.running import CommandFailed, Job, Runner

# PYTHONPATH and PYTHONHOME would put foreign packages before the pinned ones; PIP_TARGET and similar
# variables would install elsewhere; GOFLAGS, GOOS and similar ones would build another program than the pinned one.
_HARMFUL = frozenset(
    "PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONSTARTUP PYTHONDONTWRITEBYTECODE PYTHONINSPECT "
    "VIRTUAL_ENV CONDA_PREFIX PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_REQUIRE_VIRTUALENV PIP_CONSTRAINT "
    "PIP_REQUIREMENT PIP_PYTHON PIP_NO_BINARY "
    "GOFLAGS GOOS GOARCH GOARM GOAMD64 GOROOT GO111MODULE GOWORK GOBIN GOTOOLCHAIN GOEXPERIMENT "
    "MAKEFLAGS MFLAGS MAKELEVEL".split()
)
# uv's variables about the source and the speed; the others change what is installed.
_UV_ALLOWED = frozenset(
    "UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_INDEX_STRATEGY "
    "UV_CONFIG_FILE UV_CACHE_DIR UV_NATIVE_TLS UV_SYSTEM_CERTS UV_INSECURE_HOST UV_KEYRING_PROVIDER "
    "UV_OFFLINE UV_HTTP_TIMEOUT UV_LINK_MODE "
    "UV_CONCURRENT_DOWNLOADS UV_CONCURRENT_BUILDS UV_CONCURRENT_INSTALLS".split()
)
_INDEX = "UV_DEFAULT_INDEX UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_CONFIG_FILE".split()


def cleaned(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without variables that would harm a pinned installation or build."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _HARMFUL and (not name.startswith("UV_") or name in _UV_ALLOWED or name.startswith("UV_INDEX_"))
    }


def is_home_writable(environ: Mapping[str, str]) -> bool:
    """Whether a program may keep its own cache below HOME."""
    return os.access(environ.get("HOME") or "/nonexistent", os.W_OK)


def pip_settings(run: Runner, environment: Mapping[str, str]) -> dict[str, str]:
    """pip's own configuration (files and PIP_* together), key to value; empty where pip is not installed."""
    job = Job(
        argv=(base_python(), "-m", "pip", "config", "list"),
        environment={**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        log="pip-config",
        seconds=30,
        private=True,
    )
    try:
        output = run(job)
    except CommandFailed:
        return {}
    settings: dict[str, str] = {}
    # Later sections win, in pip's own order: [global], then [install], then the environment.
    for section in ("global", "install", ":env:"):
        for line in output.splitlines():
            name, _, value = line.partition("=")
            origin, _, key = name.partition(".")
            if origin == section:
                settings[key] = " ".join(shlex.split(value)).replace("\\n", " ").strip()
    return settings


def for_uv(environment: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv, which reads nothing of pip's configuration: index, certificate, proxy.

    They are passed as variables, not as arguments, because an index URL may have a password.
    """
    variables = dict(environment)
    own_index = any(name in variables for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"))
    if "index-url" in pip and not own_index:
        variables["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "extra-index-url" in pip and not own_index:
        variables.setdefault("UV_INDEX", pip["extra-index-url"])
        # pip takes a package from whichever index has it; safe here, since every file is pinned by hash.
        variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if "trusted-host" in pip:
        variables.setdefault("UV_INSECURE_HOST", pip["trusted-host"])
    if "cert" in pip and Path(pip["cert"]).is_file():
        variables.setdefault("SSL_CERT_FILE", pip["cert"])
    if "proxy" in pip:
        variables.setdefault("HTTPS_PROXY", pip["proxy"])
        variables.setdefault("HTTP_PROXY", pip["proxy"])
    return variables


def has_own_index(environment: Mapping[str, str], pip: Mapping[str, str]) -> bool:
    """Whether this machine uses another source of packages than the public index, by uv's settings or by pip's."""
    named = any(name in environment for name in _INDEX) or any(name.startswith("UV_INDEX_") for name in environment)
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config")
    files = (Path("/etc/uv/uv.toml"), home / "uv" / "uv.toml")
    return named or bool(offline_arguments(pip)) or any("index" in file.read_text() for file in files if file.is_file())


def offline_arguments(pip: Mapping[str, str]) -> tuple[str, ...]:
    """uv's arguments on a machine whose pip is configured to use folders of files instead of an index."""
    if pip.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        return ()
    links = pip.get("find-links", "").split()
    return ("--no-index", *(argument for link in links for argument in ("--find-links", link)))
