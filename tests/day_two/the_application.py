"""The application in a process of its own: the `phi` library with the application's credentials, none of the wizard.

Touches AWS by the environment that it is given; the data key stays in the child.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.onboarding.deployment import ACCOUNT, PROJECT, Deployment
from tests.onboarding.loaded import loaded_python

ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"

_WRITE = """
import json, os, sys
from eonpro_phi import CachedKey, KmsKeySource, PhiCipher, WrappedKey
cipher = PhiCipher(CachedKey(KmsKeySource(WrappedKey.from_environment(os.environ))).data_key())
print(json.dumps([getattr(cipher, sys.argv[1])(text) for text in json.load(sys.stdin)]))
"""


def credentials(deployment: Deployment) -> dict[str, Any]:
    """What a deployment on Vercel exchanges its identity token for."""
    token = Path(deployment.environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip()
    answer = deployment.client("sts").assume_role_with_web_identity(
        RoleArn=ROLE, RoleSessionName="a-deployment", WebIdentityToken=token
    )
    found: dict[str, Any] = answer["Credentials"]
    return found


def write(deployment: Deployment, variables: Mapping[str, str], *texts: str) -> list[str]:
    """Records of these texts, as the application with these variables stores them."""
    return _as_the_application(deployment, variables, "encrypt", texts)


def read(deployment: Deployment, variables: Mapping[str, str], *records: str) -> list[str]:
    """What the application with these variables reads of its records."""
    return _as_the_application(deployment, variables, "decrypt", records)


def _as_the_application(
    deployment: Deployment, variables: Mapping[str, str], what: str, texts: tuple[str, ...]
) -> list[str]:
    mine = credentials(deployment)
    environment = {
        "AWS_ENDPOINT_URL": deployment.environment["AWS_ENDPOINT_URL"],
        "AWS_ACCESS_KEY_ID": mine["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": mine["SecretAccessKey"],
        "AWS_SESSION_TOKEN": mine["SessionToken"],
        "PATH": deployment.environment["PATH"],
        **variables,
    }
    done = subprocess.run(
        [loaded_python(), "-c", _WRITE, what],
        cwd=PROJECT,
        env=environment,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found
