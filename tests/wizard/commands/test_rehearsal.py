"""What a rehearsal refuses to delete: whatever somebody else made, or went on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.settings import ObjectLock, Settings, Target
from wizard.commands.rehearsal import begin, doubts, is_rehearsal
from wizard.core.errors import PermissionDenied, SetupError, Unsupported
from wizard.core.models.access import KeyUse

ACCOUNT = "123456789012"
MADE = {
    "account_id": ACCOUNT,
    "region": "eu-central-1",
    "environment": "rehearsal",
    "administrators": (f"arn:aws:iam::{ACCOUNT}:role/admin",),
    "deploy_targets": (Target("ecs"),),
    "trail_lock": ObjectLock.NONE,
    "trail_retention_days": 2192,
    "trail_bucket": f"eonpro-rehearsal-{ACCOUNT}-eu-central-1-an",
}
PARAMETERS = tuple(
    f"/eonpro/rehearsal/{name}"
    for name in ("claim", "AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY", "data-keys/0123456789abcdef")
)
UNUSED = KeyUse(at=None, operation="GenerateDataKeyWithoutPlaintext", tracked_since=None)


def settings(**changed: Any) -> Settings:
    return Settings.read({**MADE, **changed})


def test_what_a_rehearsal_made_may_be_deleted() -> None:
    for made in (settings(), settings(rotation_period_days=180)):
        assert is_rehearsal(made)
        assert list(doubts(made, PARAMETERS, UNUSED)) == []
    assert list(doubts(settings(), (), None)) == [], "an interrupted removal goes on"


@pytest.mark.parametrize(
    "changed",
    [
        {"environment": "production"},
        {"environment": "staging"},
        {"deploy_targets": (Target("ecs"), Target("vercel")), "vercel_team": "clinic", "vercel_project": "portal"},
        {"deploy_targets": (Target("eks"),), "eks_cluster": "clinic"},
        {"ecs_cluster": "clinic"},
        {"app_principal_arn": f"arn:aws:iam::{ACCOUNT}:role/application"},
        {"trail_lock": ObjectLock.GOVERNANCE},
        {"trail_retention_days": 2557},
        {"trail_bucket": None},
        {"trail_bucket": "eonpro-rehearsal-999999999999-eu-central-1-an"},
        {"existing_trail_arn": f"arn:aws:cloudtrail:eu-central-1:{ACCOUNT}:trail/company", "trail_bucket": "company"},
        {"multi_region": True, "replica_regions": ("eu-west-1",)},
        {"hash_key": True},
        {"document_buckets": ("clinic-documents",), "documents_key": True},
        {"record_tables": ("patients.id=name",)},
        {"adopted": (f"bucket=eonpro-rehearsal-{ACCOUNT}-eu-central-1-an",)},
        {"alert_emails": ("security@clinic.example",)},
        {"backup_max_age_days": 30},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_settings_that_no_rehearsal_has_are_refused(changed: dict[str, Any]) -> None:
    assert not is_rehearsal(settings(**changed))
    assert list(doubts(settings(**changed), PARAMETERS, UNUSED))[0] == "no rehearsal made these settings"


@pytest.mark.parametrize(
    "name",
    ["data-keys/fedcba9876543210", "backup", "restore-drill", "hash-keys/0123456789abcdef", "NOTES", "data-keys/0/1"],
)
def test_anything_more_in_the_store_is_refused(name: str) -> None:
    [doubt] = doubts(settings(), (*PARAMETERS, f"/eonpro/rehearsal/{name}"), UNUSED)
    assert f"/eonpro/rehearsal/{name}" in doubt


@pytest.mark.parametrize(
    "use",
    [
        *(KeyUse(at=None, operation=each, tracked_since=None) for each in ("Decrypt", "Encrypt", "GenerateDataKey")),
        PermissionDenied("the caller is not allowed kms:GetKeyLastUsage", ""),
        Unsupported("there is no kms:GetKeyLastUsage", ""),
    ],
    ids=str,
)
def test_a_key_that_was_used_or_of_which_it_is_unknown_is_refused(use: Any) -> None:
    [doubt] = doubts(settings(), PARAMETERS, use)
    assert "its key was used" in doubt


def test_nothing_is_made_where_its_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(SetupError, match="nothing was changed: .* cannot be written"):
        begin(tmp_path / "reports" / "rehearsal" / "now.json")
