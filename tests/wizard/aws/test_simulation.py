"""IAM's policy simulator: what it is asked, and what its answers mean. moto has none; the answers are written here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from components.policies.boundary import boundary_of
from components.policies.key import APPLICATION_ACTIONS
from wizard.core.errors import SetupError
from wizard.core.models.access import Ruling, Simulation

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/Edge"


def result(decision: str, more: str = "", action: str = "kms:Decrypt") -> str:
    return f"<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>{more}</member>"


def answer(*results: str) -> str:
    return (
        f"<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{''.join(results)}"
        "</EvaluationResults><IsTruncated>false</IsTruncated>"
        "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )


def missing(*keys: str) -> str:
    return f"<MissingContextValues>{''.join(f'<member>{key}</member>' for key in keys)}</MissingContextValues>"


def on_resource(inner: str) -> str:
    return (
        f"<ResourceSpecificResults><member><EvalResourceName>{KEY}</EvalResourceName>"
        f"<EvalResourceDecision>implicitDeny</EvalResourceDecision>{inner}</member></ResourceSpecificResults>"
    )


def bounded(allowed: str) -> str:
    return (
        f"<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>{allowed}</AllowedByPermissionsBoundary>"
        "</PermissionsBoundaryDecisionDetail>"
    )


MEMBER = (
    "<OrganizationsDecisionDetail><AllowedByOrganizations>true</AllowedByOrganizations></OrganizationsDecisionDetail>"
)
TAGS = {"Application": "EONPRO", "Environment": "Production"}


@pytest.fixture
def asked(script: Any) -> Any:
    """A key with the stack's tags, and its alias; the answers of IAM follow."""
    script.answer("ListResourceTags", {"Tags": [{"TagKey": name, "TagValue": value} for name, value in TAGS.items()]})
    script.answer("ListAliases", {"Aliases": [{"AliasName": "alias/eonpro-phi-key"}]})
    return script


def simulate(scripted: Any, *actions: str, tags: Mapping[str, str] | None = None) -> Simulation:
    simulation: Simulation = scripted.permissions.simulate(ROLE, actions or ("kms:Decrypt",), KEY, tags=tags)
    return simulation


def sent(script: Any) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """The context entries of the simulation that was asked for: type and values by key."""
    [form] = [request for request in script.requests if "PolicySourceArn" in request]

    def entries() -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
        for number in range(1, 100):
            name = f"ContextEntries.member.{number}"
            if f"{name}.ContextKeyName" not in form:
                return
            values = tuple(form[key][0] for key in form if key.startswith(f"{name}.ContextKeyValues.member."))
            yield form[f"{name}.ContextKeyName"][0], (form[f"{name}.ContextKeyType"][0], values)

    return dict(entries())


def test_every_condition_key_of_the_boundary_has_its_value_or_is_known_to_be_absent(
    asked: Any, scripted: Any, settings_of: Any
) -> None:
    documents = {"document_buckets": ["clinic-documents"], "documents_key": True}
    statements = boundary_of(settings_of(deploy_targets=["vercel", "ecs"], **documents))["Statement"]
    used = {key for each in statements for condition in each.get("Condition", {}).values() for key in condition}
    asked.answer("SimulatePrincipalPolicy", answer(result("implicitDeny", missing(*sorted(used)))))
    simulation = simulate(scripted)
    entries = sent(asked)
    assert entries["aws:PrincipalArn"] == ("string", (ROLE,))
    assert entries["aws:ResourceTag/Application"] == ("string", ("EONPRO",))
    assert entries["aws:RequestedRegion"] == ("string", ("us-east-1",))
    assert entries["aws:SecureTransport"] == ("boolean", ("true",))
    assert entries["kms:ResourceAliases"] == ("stringList", ("alias/eonpro-phi-key",))
    assert "kms:ViaService" not in entries
    assert (simulation.allowed, simulation.depends_on) == (False, ())


def test_of_a_key_that_does_not_exist_yet_the_tags_are_those_that_it_will_have(script: Any, scripted: Any) -> None:
    script.answer("SimulatePrincipalPolicy", answer(result("allowed")))
    simulate(scripted, tags={"Application": "EONPRO"})
    assert sent(script)["aws:ResourceTag/Application"] == ("string", ("EONPRO",))
    assert script.calls == ["SimulatePrincipalPolicy"]


def test_what_no_request_with_a_key_has_is_known_to_be_absent(asked: Any, scripted: Any) -> None:
    """An operator's policies have conditions for other calls, and AWS lists the keys of all of them."""
    of_other_calls = ("aws:RequestTag/Application", "aws:TagKeys", "iam:PermissionsBoundary", "ssm:Overwrite")
    asked.answer(
        "SimulatePrincipalPolicy", answer(result("implicitDeny", missing(*of_other_calls), action="kms:PutKeyPolicy"))
    )
    simulation = simulate(scripted, "kms:PutKeyPolicy")
    assert (simulation.allowed, simulation.depends_on) == (False, ())


def test_a_key_of_the_service_itself_is_not(asked: Any, scripted: Any) -> None:
    asked.answer("SimulatePrincipalPolicy", answer(result("implicitDeny", missing("kms:GrantOperations"))))
    assert simulate(scripted).depends_on == ("kms:GrantOperations",)


def test_tags_that_cannot_be_read_are_unknown(script: Any, scripted: Any) -> None:
    for operation in ("ListResourceTags", "ListAliases"):
        script.refuse(operation, "AccessDeniedException", "no", status=400)
    script.answer("SimulatePrincipalPolicy", answer(result("implicitDeny", missing("aws:ResourceTag/Application"))))
    simulation = simulate(scripted)
    assert simulation.allowed is None and "depends on aws:ResourceTag/Application" in simulation.detail


def test_what_the_policies_allow_is_allowed(asked: Any, scripted: Any) -> None:
    both = (result("allowed"), result("allowed", action="kms:DescribeKey"))
    asked.answer("SimulatePrincipalPolicy", answer(*both))
    assert simulate(scripted, "kms:Decrypt", "kms:DescribeKey").allowed is True


@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
def test_one_action_that_is_denied_denies_all_and_is_named(asked: Any, scripted: Any, decision: str) -> None:
    asked.answer("SimulatePrincipalPolicy", answer(result(decision), result("allowed", action="kms:DescribeKey")))
    simulation = simulate(scripted, "kms:Decrypt", "kms:DescribeKey")
    assert (simulation.allowed, simulation.denied) == (False, ("kms:Decrypt",))
    assert "kms:Decrypt" in simulation.detail and "kms:DescribeKey" not in simulation.detail


@pytest.mark.parametrize(
    "more",
    [
        missing("aws:SourceVpc"),
        on_resource(missing("aws:SourceVpc")),
        missing() + on_resource(missing("aws:SourceVpc", "aws:PrincipalArn")),
    ],
)
def test_a_denial_that_depends_on_an_unknown_value_is_unknown_wherever_aws_lists_it(
    asked: Any, scripted: Any, more: str
) -> None:
    asked.answer("SimulatePrincipalPolicy", answer(result("explicitDeny", more)))
    simulation = simulate(scripted)
    assert (simulation.allowed, simulation.depends_on) == (None, ("aws:SourceVpc",))


@pytest.mark.parametrize("results", [(), (result("allowed", action="kms:DescribeKey"),), (result("deniedByTomorrow"),)])
def test_an_answer_without_a_decision_that_is_known_here_is_no_denial(
    asked: Any, scripted: Any, results: tuple[str, ...]
) -> None:
    asked.answer("SimulatePrincipalPolicy", answer(*results))
    simulation = simulate(scripted)
    assert simulation.allowed is None and simulation.evaluations[0].ruling is None


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("NoSuchEntity", 404), ("InvalidInput", 400), ("InternalFailure", 501)]
)
def test_a_simulator_that_does_not_answer_is_an_error(asked: Any, scripted: Any, code: str, status: int) -> None:
    asked.refuse("SimulatePrincipalPolicy", code, "not implemented", status=status)
    with pytest.raises(SetupError):
        simulate(scripted)


def test_the_limit_that_decided_is_returned(asked: Any, scripted: Any) -> None:
    asked.refuse("GetRole", "AccessDenied", "no", status=403)
    asked.answer("SimulatePrincipalPolicy", answer(result("implicitDeny", bounded("false") + MEMBER)))
    [evaluation] = simulate(scripted).evaluations
    assert (evaluation.ruling, evaluation.allowed) == (Ruling.IMPLICIT_DENY, False)
    assert (evaluation.by_boundary, evaluation.by_organization) == (False, True)


def test_without_a_limit_none_is_returned(asked: Any, scripted: Any) -> None:
    asked.answer("SimulatePrincipalPolicy", answer(result("allowed")))
    [evaluation] = simulate(scripted).evaluations
    assert (evaluation.ruling, evaluation.by_boundary, evaluation.by_organization) == (Ruling.ALLOWED, None, None)


CONDITIONS: Mapping[str, tuple[dict[str, Any], bool | None]] = {
    "of another principal": ({"ArnEquals": {"aws:PrincipalArn": f"{ROLE}-2"}}, False),
    "of another tag": ({"StringEquals": {"aws:ResourceTag/Application": "OTHER"}}, False),
    "of a network": ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, None),
    "that holds": ({"StringEquals": {"aws:ResourceTag/Application": "EONPRO"}}, None),
    "of a tag that the key has not": ({"StringNotEquals": {"aws:ResourceTag/Purpose": "logs"}}, None),
    "of a tag that the key lacks": ({"StringEquals": {"aws:ResourceTag/Purpose": "logs"}}, False),
}


def role_with(boundary: str) -> str:
    return (
        f"<GetRoleResponse><GetRoleResult><Role><Arn>{ROLE}</Arn><PermissionsBoundary><PermissionsBoundaryArn>{boundary}"
        "</PermissionsBoundaryArn></PermissionsBoundary></Role></GetRoleResult></GetRoleResponse>"
    )


def managed(arn: str) -> str:
    return (
        f"<GetPolicyResponse><GetPolicyResult><Policy><Arn>{arn}</Arn><DefaultVersionId>v1</DefaultVersionId>"
        "</Policy></GetPolicyResult></GetPolicyResponse>"
    )


def version(*statements: dict[str, Any]) -> str:
    document = quote(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return (
        f"<GetPolicyVersionResponse><GetPolicyVersionResult><PolicyVersion><Document>{document}</Document>"
        "</PolicyVersion></GetPolicyVersionResult></GetPolicyVersionResponse>"
    )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_denial_by_a_boundary_counts_only_if_its_document_denies_it(
    asked: Any, scripted: Any, condition: str
) -> None:
    conditions, expected = CONDITIONS[condition]
    asked.answer("SimulatePrincipalPolicy", answer(result("implicitDeny", bounded("false"))))
    asked.answer("GetRole", role_with(BOUNDARY))
    asked.answer("GetPolicy", managed(BOUNDARY))
    asked.answer(
        "GetPolicyVersion", version({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": conditions})
    )
    assert simulate(scripted, *APPLICATION_ACTIONS[:1]).allowed is expected
