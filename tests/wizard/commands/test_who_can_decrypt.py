"""`review`, `doctor` and `report` say the same: which administrators can use the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation import AccountIam, IamPolicy, IamPrincipal, KeyPermission
from tests.wizard.commands.report.test_collect import World
from tests.wizard.fakes.clients import ADMIN, SECOND, settings
from wizard.account.access import review as access_review
from wizard.account.judgements.others import check_others
from wizard.account.views import diagnose
from wizard.commands import deployed_stack
from wizard.core.clients import Request
from wizard.core.errors import PermissionDenied

ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
FULL = IamPrincipal(arn=ADMIN, policies=(IamPolicy(name=ADMINISTRATOR_ACCESS, document=EVERYTHING),))
NARROW = IamPrincipal(arn=SECOND)
TWO = {"administrators": (ADMIN, SECOND)}

CAN = f"{ADMIN} can use the key, more than the settings give it"
CANNOT = "nobody has a right on the key that the settings do not give"


def unreadable(world: World) -> None:
    world.aws.who_has_access.failures["iam"] = PermissionDenied("you may not read IAM", "ask for the right")


def unchanged(world: World) -> None:
    pass


@pytest.mark.parametrize(
    ("changes", "change", "text", "permission"),
    [
        (TWO, unchanged, CAN, KeyPermission.YES),
        ({**TWO, "exclusive_use": True}, unchanged, CANNOT, KeyPermission.NO),
        ({**TWO, "strict_key_policy": True}, unchanged, CANNOT, KeyPermission.NO),
        (TWO, unreadable, "can do with the key", KeyPermission.UNKNOWN),
    ],
    ids=["default", "exclusive use", "strict key policy", "IAM not readable"],
)
def test_doctor_review_and_report_say_the_same_of_an_administrator_with_administrator_access(
    tmp_path: Path, changes: dict[str, Any], change: Callable[[World], None], text: str, permission: KeyPermission
) -> None:
    world = World(settings(**changes), tmp_path / "reviews")
    world.aws.who_has_access.account = AccountIam(principals=(FULL, NARROW))
    change(world)
    stack = deployed_stack.find(Request(stack="production", answers={}, saved=world.settings), world.clients())

    diagnosis = diagnose(stack, [check_others])
    review = access_review.review(stack, window_days=1)
    report = world.report()

    told = [notice.what for notice in diagnosis.notices]
    assert any(text in line for line in told)
    assert not any(SECOND in line for line in told) or permission is KeyPermission.UNKNOWN
    for access in (review, report.access.review):
        assert access is not None
        rows = {principal.arn: principal.use for principal in access.principals}
        if permission is KeyPermission.UNKNOWN:
            # Of everybody whose IAM was not read the review says so in one row.
            assert {use for arn, use in rows.items() if arn.endswith(":*")} == {KeyPermission.UNKNOWN}
        assert rows[ADMIN] is permission
        assert rows[SECOND] is (KeyPermission.UNKNOWN if permission is KeyPermission.UNKNOWN else KeyPermission.NO)
