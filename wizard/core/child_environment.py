"""The environment variables of a child process: those of every program, and those that one program reads.

Pure. A variable that is not listed is not passed on: the operator's environment also holds secrets of the application,
of Vercel and of other tools.
"""

from collections.abc import Mapping

SYSTEM = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "TERM", "NO_COLOR", "LD_LIBRARY_PATH"),
        *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    )
)
"""Variables for the paths of programs and certificates, for proxies and the language."""


def inherited(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """The variables of SYSTEM, and those whose names begin with one of the prefixes."""
    return {name: value for name, value in environ.items() if name in SYSTEM or name.startswith(prefixes)}


_OF_PULUMI = (
    *("PULUMI_", "AWS_"),
    # The other state backends and secrets providers (https://www.pulumi.com/docs/iac/concepts/state-and-backends/).
    *("AZURE_", "ARM_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "VAULT_"),
    # The program's interpreter, and the browser of a login.
    *("PYTHON", "VIRTUAL_ENV", "XDG_", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "BROWSER"),
)
"""The variables that Pulumi reads, by the beginning of their names; it passes them on to its plug-ins and the program.

Not VERCEL_TOKEN, and not the application's credentials and keys.
"""


def of_pulumi(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of this process's environment that a Pulumi command gets.

    Pulumi starts the guardrails by `python -m` in the project's folder, and without PYTHONSAFEPATH a module beside the
    program, such as pulumi_policy.py, would take the place of one that they import.
    """
    return {**inherited(environ, *_OF_PULUMI), "PYTHONSAFEPATH": "1"}
