"""The settings that a cost is reckoned for, from answers alone: no account, no credentials, no stack.

Pure. What no price hangs on need not be told, and is filled in with a stand-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.contract import ContractError, Settings, Target
from wizard import answers
from wizard.errors import MissingAnswers
from wizard.input import CREATE
from wizard.questions import INPUTS
from wizard.steps import Request

_ACCOUNT = "000000000000"
_STAND_INS: Mapping[str, Any] = {
    "account_id": _ACCOUNT,
    "region": "us-east-1",
    "administrators": (f"arn:aws:iam::{_ACCOUNT}:role/nobody",),
    "vercel_team": "any",
    "vercel_project": "any",
    "eks_cluster": "any",
}
_PRICED = frozenset(
    "region environment deploy_targets multi_region replica_regions secret_store existing_trail_arn trail_bucket "
    "trail_retention_days trail_key trail_lock trail_archive_days access_logging cloudwatch_logs alerts".split()
)
"""The fields that a price hangs on."""


def settings_of(request: Request) -> Settings:
    """The settings of the stack's configuration, with what flags, environment and answers file change of them.

    Raises MissingAnswers where nothing says where the application runs, UsageError where the answers contradict.
    """
    told = {
        each.field: request.answers[each.key].value for each in INPUTS if each.field and each.key in request.answers
    }
    fields = {name: value for name, value in told.items() if name in _PRICED and value not in (None, CREATE)}
    if request.saved is not None:
        kept = tuple(target.value for target in request.saved.deploy_targets)
        fields["deploy_targets"] = (*(fields.get("deploy_targets") or ()), *kept)
    if not fields.get("deploy_targets"):
        raise MissingAnswers(
            f"the stack {request.stack} has no settings here, and nothing says where the application is to run",
            f"python -m wizard cost --stack {request.stack} --target {Target.VERCEL}   "
            "# or --answers examples/vercel.yaml",
            ("target",),
        )
    if fields.get("replica_regions"):
        fields["multi_region"] = True
    if fields.get("existing_trail_arn"):
        fields.setdefault("trail_bucket", "any-bucket")
    try:
        return Settings.read({**_STAND_INS, **fields})
    except ContractError as error:
        raise answers.refused(error) from error
