"""What the account already has under the names that the stack would take.

Asks KMS, IAM, CloudTrail, S3, CloudWatch Logs and SNS, all at once; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.settings import SecretStore, Settings
from wizard.aws import cloudtrail, kms
from wizard.aws.auth.session import Session
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.account import Existing

_NO_ENTITY = ("NoSuchEntity",)


class ExistingResources:
    """What has the stack's names: a `wizard.core.ports.aws.ExistingResources`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find_existing(self, settings: Settings) -> Existing:
        """One look-up for each name that these settings would take; none for what they bring along.

        What the endpoint cannot tell counts as free. Raises PermissionDenied naming every look-up denied.
        """
        looks = {
            **_application_looks(self._session, settings),
            **_store_looks(self._session, settings),
            **_trail_looks(self._session, settings),
        }
        answers = self._session.together(*(lambda look=look: _outcome(look) for look in looks.values()))
        _raise_failures(tuple(answer for answer in answers if isinstance(answer, SetupError)))
        return Existing(**dict(zip(looks, answers, strict=True)))


_Looks = dict[str, Callable[[], Any]]


def _application_looks(session: Session, settings: Settings) -> _Looks:
    names = settings.names
    looks: _Looks = {
        "alias_target": lambda: kms.KmsKeys(session).alias_target(names.alias),
        "app_policy_arn": lambda: _policy_arn(session, settings, names.app_policy),
    }
    if settings.makes_role:
        looks["role_arn"] = lambda: _role_arn(session, names.app_role)
    if settings.makes_user:
        looks["app_user_arn"] = lambda: _user_arn(session, names.app_user)
    elif settings.trusts_vercel:
        looks["oidc_provider_arn"] = lambda: _oidc_provider_arn(session, f"oidc.vercel.com/{settings.vercel_team}")
    return looks


def _store_looks(session: Session, settings: Settings) -> _Looks:
    names = settings.names
    looks: _Looks = {}
    if settings.makes_execution_role:
        looks["execution_role_arn"] = lambda: _role_arn(session, names.execution_role)
    if settings.makes_secrets_role:
        looks["secrets_role_arn"] = lambda: _role_arn(session, names.secrets_role)
    if settings.uses_store:
        if settings.secret_store is SecretStore.SECRETS_MANAGER:
            looks["secret_policy_arn"] = lambda: _policy_arn(session, settings, names.secret_policy)
        else:
            looks["parameter_policy_arn"] = lambda: _policy_arn(session, settings, names.parameter_policy)
    return looks


def _trail_looks(session: Session, settings: Settings) -> _Looks:
    names, account = settings.names, settings.account_id
    looks: _Looks = {}
    if settings.alerts:
        looks["alert_topic_arn"] = lambda: _topic_arn(session, settings, names.alert_topic)
    if settings.existing_trail_arn is not None:
        return looks
    looks["trail"] = lambda: cloudtrail.find_trail(session, names.trail)
    looks["bucket"] = lambda: cloudtrail.bucket_owner(session, names.trail_bucket, account)
    if settings.trail_key:
        looks["trail_key"] = lambda: kms.KmsKeys(session).alias_target(names.trail_key_alias)
    if settings.access_logging:
        looks["access_log_bucket"] = lambda: cloudtrail.bucket_owner(session, names.access_log_bucket, account)
    if settings.cloudwatch_logs:
        looks["log_group_arn"] = lambda: _log_group_arn(session, names.log_group)
        looks["log_role_arn"] = lambda: _role_arn(session, names.log_role)
    return looks


def _outcome(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Unsupported:
        return None
    except SetupError as error:
        return error


def _raise_failures(failures: tuple[SetupError, ...]) -> None:
    graver = [failure for failure in failures if not isinstance(failure, PermissionDenied)]
    if graver:
        raise graver[0]
    if len(failures) > 1:
        told = "; ".join(failure.message for failure in failures)
        raise PermissionDenied(
            told, "have these allowed for the caller, or use a profile that may: AWS_PROFILE=…"
        ) from failures[0]
    if failures:
        raise failures[0]


def _role_arn(session: Session, name: str) -> str | None:
    found = session.find("iam", "GetRole", absent=_NO_ENTITY, RoleName=name)
    return str(found["Role"]["Arn"]) if found else None


def _user_arn(session: Session, name: str) -> str | None:
    found = session.find("iam", "GetUser", absent=_NO_ENTITY, UserName=name)
    return str(found["User"]["Arn"]) if found else None


def _log_group_arn(session: Session, name: str) -> str | None:
    groups = session.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    # Asked by a prefix. The older of the two ARNs ends in `:*`, its streams.
    return next((str(group["arn"]).removesuffix(":*") for group in groups if group["logGroupName"] == name), None)


def _topic_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{name}"
    return arn if session.find("sns", "GetTopicAttributes", absent=("NotFound",), TopicArn=arn) else None


def _policy_arn(session: Session, settings: Settings, name: str) -> str | None:
    arn = f"arn:{settings.partition}:iam::{settings.account_id}:policy/{name}"
    return arn if session.find("iam", "GetPolicy", absent=_NO_ENTITY, PolicyArn=arn) else None


def _oidc_provider_arn(session: Session, issuer: str) -> str | None:
    providers = session.call("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]
    return next(
        (str(entry["Arn"]) for entry in providers if entry["Arn"].partition(":oidc-provider/")[2] == issuer),
        None,
    )
