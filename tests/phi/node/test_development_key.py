"""The key of development and tests: the same of a text in Python and in Node, and never one of a deployment."""

from __future__ import annotations

import json
import logging
import os
import subprocess

import pytest

from eonpro_phi import CachedKey, DecryptionError, PhiFields
from eonpro_phi.check import check
from eonpro_phi.development import LOUD, DevelopmentKey
from eonpro_phi.errors import MalformedVariable
from eonpro_phi.record import key_id
from tests.phi.node.test_check import DEPLOYED, GOOD, run
from tools import node_package

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

TEXT = {"PHI_DEVELOPMENT_KEY": "a laptop"}
PROGRAM = """
import { configure, decryptPHI, fields, initializeEncryption } from "./dist/esm/index.js";
if (process.env.GIVEN) configure({ developmentKey: process.env.GIVEN });
const record = fields().cipher.encryptV2("Jöhn", "Patient.name"); // at once: nobody waits for a key that is there
await initializeEncryption();
const opened = decryptPHI(process.env.RECORD, "Patient.name");
console.log(JSON.stringify({ record, opened, id: fields().cipher.keyId }));
"""


def node(**environment: str) -> subprocess.CompletedProcess[str]:
    """A program with the package, and with these variables alone."""
    return subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM],
        cwd=node_package.built(),
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("given", [{"PHI_DEVELOPMENT_KEY": "a laptop"}, {"GIVEN": "a laptop"}])
def test_python_and_node_read_one_another_with_the_same_text_and_say_so_loudly(
    given: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="eonpro_phi"):
        fields = PhiFields.from_environment(TEXT)
    assert LOUD in caplog.text
    done = node(**given, RECORD=str(fields.encrypt_v2("患者", "Patient.name")))
    assert done.returncode == 0 and LOUD in done.stderr
    told = json.loads(done.stdout)
    assert (told["opened"], fields.decrypt(told["record"], "Patient.name")) == ("患者", "Jöhn")
    assert told["id"] == key_id(DevelopmentKey("a laptop").data_key())


def test_another_text_is_another_key_and_a_real_key_given_as_the_text_is_not_that_key() -> None:
    fields = PhiFields.from_environment({}, development_key="a laptop")
    real = PhiFields(CachedKey(DevelopmentKey("production")))
    copied = PhiFields.from_environment({}, development_key=DevelopmentKey("production").data_key().hex())
    for other in (real, copied):
        with pytest.raises(DecryptionError):
            other.decrypt(fields.encrypt("Jane"))
    with pytest.raises(DecryptionError):
        copied.decrypt(real.encrypt("Jane"))


@pytest.mark.parametrize("deployed", [*DEPLOYED, GOOD], ids=lambda deployed: "-".join(deployed))
def test_a_deployment_and_a_wrapped_key_refuse_it(deployed: dict[str, str]) -> None:
    with pytest.raises(MalformedVariable, match="PHI_DEVELOPMENT_KEY"):
        PhiFields.from_environment({**deployed, **TEXT})
    with pytest.raises(MalformedVariable, match="PHI_DEVELOPMENT_KEY"):
        PhiFields.from_environment(deployed, development_key="a laptop")
    refused = node(**deployed, **TEXT)
    assert refused.returncode != 0 and "PHI_DEVELOPMENT_KEY" in refused.stderr


@pytest.mark.parametrize("name", ["python", "node"])
def test_the_check_says_that_it_is_one(name: str) -> None:
    told = run(name, "check", environment=TEXT)
    assert (told.returncode, told.stderr) == (0, "") and "production opens none of its records" in told.stdout
    assert check(TEXT) == {"checked": True, "problems": [], "developmentKey": True}
