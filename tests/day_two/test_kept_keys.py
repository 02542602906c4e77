"""What is kept of the data key: no holder of a printed policy can end it, and what somebody else has written is told.

Touches a deployment that is set up once for Vercel and ECS; each test leaves its data key as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.day_two.doctor_fixture import typed
from tests.day_two.test_auditor import an_auditor
from tests.onboarding.deployment import STORED_KEY, Deployment

VERSIONS = "/eonpro/production/data-keys/"
SURE = ("--confirm", "production", "--no-redeploy", "--json")
MORE_THAN_THE_HISTORY = 101


def printed(deployment: Deployment, *kinds: str) -> dict[str, Mapping[str, Any]]:
    """What `policy KIND` prints, as policies by name."""
    policies: dict[str, Mapping[str, Any]] = {}
    for kind in kinds:
        document = json.loads(deployment.wizard("policy", kind, "--stack", "production").out)
        policies |= {kind: document} if "Statement" in document else document
    return policies


@contextmanager
def op(deployment: Deployment, *kinds: str) -> Iterator[tuple[dict[str, str | None], Any]]:
    """A user with exactly these printed policies: the environment of its commands, and its client of SSM."""
    with an_auditor(deployment, printed(deployment, *kinds)) as env:
        key = {"AccessKeyId": env["AWS_ACCESS_KEY_ID"], "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"]}
        yield env, deployment.client("ssm", credentials=key)


def entry(deployment: Deployment) -> str:
    """The name of the version that is the stored data key."""
    parameters = deployment.parameters()
    (name,) = (each for each in parameters if each.startswith(VERSIONS) and parameters[each] == parameters[STORED_KEY])
    return name


ATTACKS: Mapping[str, Callable[[Any, str], object]] = {
    "overwrite": lambda ssm, name: ssm.put_parameter(Name=name, Value="junk", Type="SecureString", Overwrite=True),
    "delete": lambda ssm, name: ssm.delete_parameter(Name=name),
    "delete several": lambda ssm, name: ssm.delete_parameters(Names=[name]),
    "label": lambda ssm, name: ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["junk"]),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "kinds",
    [("operator", "auditor", "delivery", "promotion"), ("operator",), ("auditor",), ("delivery",)],
    ids=" and ".join,
)
def test_no_holder_of_a_printed_policy_ends_what_is_kept(life: Deployment, kinds: tuple[str, ...]) -> None:
    before, version = life.parameters(), entry(life)
    by_design = ("overwrite", STORED_KEY) if "promotion" in kinds else None
    with op(life, *kinds) as (_, ssm):
        for name in (STORED_KEY, version):
            for attack, call in ATTACKS.items():
                if (attack, name) != by_design:
                    with pytest.raises(ClientError, match="AccessDenied"):
                        call(ssm, name)
        # An existing name is not overwritten by a call that does not ask for it, either.
        with pytest.raises(ClientError, match="AccessDenied|ParameterAlreadyExists"):
            ssm.put_parameter(Name=version, Value="junk", Type="SecureString")
    assert life.parameters() == before


@pytest.mark.thorough
def test_the_operator_makes_a_data_key_and_promotes_it_with_the_policy_that_it_is_told(life: Deployment) -> None:
    was = life.parameters()[STORED_KEY]
    with op(life, "operator") as (env, _):
        new = str(life.wizard("rotate", "--data-key", *SURE[:2], "--json", env=env).document["fingerprint"])
        promote = ("rotate", "--promote", new, "--no-hash-columns", "--no-records", *SURE)
        refused = life.wizard(*promote, env=env, expect=3).document
        assert "policy promotion" in refused["next"]["command"] and life.parameters()[STORED_KEY] == was
    for kinds in (("operator", "promotion"), ("promotion",)):
        with op(life, *kinds) as (env, _):
            assert life.wizard(*promote, env=env).document["changed"]
            old = f"sha256:{next(name for name, value in life.parameters().items() if value == was)[len(VERSIONS) :]}"
            life.wizard("restore", "--version", old, *SURE, env=env)
            assert life.parameters()[STORED_KEY] == was


def findings(deployment: Deployment) -> dict[str, str]:
    """The commands of the doctor's findings about the data key, by cause."""
    found = deployment.wizard("doctor", "--quick", "--json", expect=None).document["findings"]
    return {each["cause"]: each["command"] for each in found if each["cause"].startswith(("stored-key", "data-key"))}


def overwrite(deployment: Deployment, name: str, *values: str) -> None:
    """An administrator of the account, whom no printed policy limits."""
    for value in values:
        deployment.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


@pytest.mark.thorough
def test_the_data_key_comes_back_when_nothing_but_junk_is_left_of_it_in_the_store(life: Deployment) -> None:
    before, version, deployed = life.parameters(), entry(life), life.deployed()
    backup = str(life.root / "junk.backup.json")
    life.wizard("backup", "--to", backup)
    for name in (STORED_KEY, version):
        overwrite(life, name, *(f"junk {number}" for number in range(MORE_THAN_THE_HISTORY)))
    history = life.client("ssm").get_parameter_history(Name=STORED_KEY, WithDecryption=True)["Parameters"]
    assert {each["Value"].partition(" ")[0] for each in history} == {"junk"}
    (command,) = {command for cause, command in findings(life).items() if cause == "stored-key-malformed"}
    assert "--from-backup" in command
    # Whoever holds the printed policies alone cannot repair an entry of a version, and nothing is changed.
    with op(life, "operator", "promotion") as (env, _):
        words = ("restore", "--from-backup", backup, *SURE)
        assert "administrator" in str(life.wizard(*words, env=env, expect=3).document["next"])
        assert life.parameters()[STORED_KEY].startswith("junk")
    typed(life, command)
    assert {name: life.parameters()[name] for name in (STORED_KEY, version)} == {
        name: before[name] for name in (STORED_KEY, version)
    }
    assert life.deployed() == deployed and findings(life) == {}
