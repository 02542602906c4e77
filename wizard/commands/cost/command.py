"""`cost`: a month's cost of the stack, and with --used also the cost by what was really used.

Reads and changes nothing. Without settings of a deployed stack it asks nobody and needs no account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from components.settings import ContractError, Settings
from wizard.commands import deployed_stack
from wizard.commands.cost import CostOptions, output
from wizard.commands.deployed_stack import DeployedStack
from wizard.commands.report import ReportOptions
from wizard.core.cost.account import AccountFacts, CostByUse, cost_by_use, not_asked, read_account
from wizard.core.cost.drivers import Assumptions, estimate, growth
from wizard.core.errors import MissingAnswers, SetupError, StackNotFound, UsageError
from wizard.core.models.inputs import CREATE
from wizard.core.next_command import wizard
from wizard.inputs import answers
from wizard.inputs.registry import INPUTS
from wizard.setup.steps import Clients, Request

DEFAULT_DAYS = 90
"""How far back CloudTrail's event history goes."""


def run(options: CostOptions, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """The cost. Raises MissingAnswers where nothing says what is set up, StackNotFound for --used without a stack."""
    assumptions = assumptions_of(options)
    by_use: CostByUse | None = None
    if options.used:
        days = _days(options)
        clients.ui.working("asking CloudWatch and CloudTrail")
        stack = deployed_stack.find(request, clients)
        settings, by_use = stack.settings, _by_use(stack, clients, assumptions, days)
        account = by_use.account
    elif options.days is not None:
        raise UsageError(
            "--days needs --used: use is counted over this many days", wizard("cost", "--used", "--days", "30")
        )
    else:
        settings, account = settings_of(request), _account(request, clients)
    assumed = account.applied(assumptions)
    bill, steps = estimate(settings, assumed), growth(settings, assumed)
    output.show(clients.ui, bill, steps, account, by_use)
    return 0, output.document(request.stack, bill, steps, account, by_use, region=settings.region)


def assumptions_of(options: CostOptions | ReportOptions) -> Assumptions:
    """The assumptions, with what the command line changes of them."""
    named = ("requests", "instances", "cache_minutes")
    changes = {name: value for name in named if (value := getattr(options, name)) is not None}
    try:
        return Assumptions(**changes)
    except ValueError as error:
        raise UsageError(str(error), wizard("cost", "--instances", "2", "--cache-minutes", "5")) from error


def _days(options: CostOptions) -> int:
    days = DEFAULT_DAYS if options.days is None else int(options.days)
    if not 1 <= days <= DEFAULT_DAYS:
        raise UsageError(
            f"--days {days}: use is counted over 1 to {DEFAULT_DAYS} days", wizard("cost", "--used", "--days", "30")
        )
    return days


def _account(request: Request, clients: Clients) -> AccountFacts:
    """What the account of a stack with saved settings says; without them nobody is asked."""
    settings = request.saved
    if settings is None:
        return AccountFacts()
    profile = request.answers.get("profile")
    clients.ui.working("asking KMS and CloudTrail")
    try:
        aws = clients.connect(profile.value if profile else None, settings.region)
        identity = aws.identify()
    except SetupError as error:
        return not_asked(error.message)
    if identity.account_id != settings.account_id:
        return not_asked(f"the credentials are for the account {identity.account_id}, not {settings.account_id}")
    return read_account(aws, settings)


def _by_use(stack: DeployedStack, clients: Clients, assumptions: Assumptions, days: int) -> CostByUse:
    settings, until = stack.settings, clients.now()
    key_arn = stack.outputs.key_arn if stack.outputs else _key_by_alias(stack)
    bucket = stack.outputs.trail_bucket if stack.outputs else settings.names.trail_bucket
    trail_arn = stack.outputs.trail_arn if stack.outputs else None
    usage = stack.aws.usage_metrics.read(
        key_arn=key_arn, bucket=bucket, since=until - timedelta(days=days), until=until
    )
    account = read_account(stack.aws, settings, key_arn=key_arn, trail_arn=trail_arn)
    return cost_by_use(settings, assumptions, usage, account)


def _key_by_alias(stack: DeployedStack) -> str:
    """The key of a stack whose state cannot be read."""
    key = stack.aws.kms.describe_key(stack.settings.names.alias)
    if key is not None:
        return key.arn
    if isinstance(stack.state, SetupError):
        raise stack.state
    raise StackNotFound(
        f"the stack {stack.stack} is not deployed yet", wizard("cost", advice="without --used: the estimate")
    )


_ACCOUNT = "000000000000"
_PLACEHOLDERS: Mapping[str, Any] = {
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
"""The fields that change the cost."""


def settings_of(request: Request) -> Settings:
    """The saved settings of the stack with the changes of flags, environment and answers file.

    Raises MissingAnswers where nothing says where the application runs, UsageError where answers contradict each other.
    """
    answered = {
        each.field: request.answers[each.key].value for each in INPUTS if each.field and each.key in request.answers
    }
    fields = {name: value for name, value in answered.items() if name in _PRICED and value not in (None, CREATE)}
    if request.saved is not None:
        saved = tuple(target.value for target in request.saved.deploy_targets)
        fields["deploy_targets"] = (*(fields.get("deploy_targets") or ()), *saved)
    if not fields.get("deploy_targets"):
        raise MissingAnswers(
            f"the stack {request.stack} has no settings here, and nothing says where the application runs",
            wizard("cost", "--target", "vercel", advice="or with an answers file: --answers examples/vercel.yaml"),
            ("target",),
        )
    if fields.get("replica_regions"):
        fields["multi_region"] = True
    if fields.get("existing_trail_arn"):
        fields.setdefault("trail_bucket", "any-bucket")
    try:
        return Settings.read({**_PLACEHOLDERS, **fields})
    except ContractError as error:
        raise answers.refused(error) from error
