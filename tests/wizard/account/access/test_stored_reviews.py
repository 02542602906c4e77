"""The reviews that are kept: new files only, read back as they were written, and doubted where they changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation import KeyPermission
from tests.wizard.account.access.reviews import NOW, in_full
from tests.wizard.fakes.clients import ADMIN, KEY
from wizard.account.access import stored_reviews as storage
from wizard.account.access.stored_reviews import Acceptance, StoredReview, StoredReviews
from wizard.core.errors import SetupError
from wizard.core.models.access import AccessReview

SIGNER = "arn:aws:sts::111122223333:assumed-role/admin/ada"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "reviews"


@pytest.fixture(scope="module")
def found() -> AccessReview:
    return in_full()


def of_stack(place: Path, *, stack: str = "production", key_arn: str = KEY) -> StoredReviews:
    """What a stack with that key reads of the folder."""
    return StoredReviews(files=storage.read(place, stack), stack=stack, key_arn=key_arn)


def sign(kept: StoredReview, signer: str = "Ada") -> None:
    storage.sign(kept, signer=signer, signer_arn=SIGNER, at=NOW)


def changed(file: Path, **fields: Any) -> None:
    """As somebody changes a file who does not know of digests."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_review_is_read_back_as_it_was_written(place, found):
    kept = storage.write(place, found, None)
    assert kept.file == place / "production" / "2026-07-01.json"
    assert storage.read(place, "production") == (kept,)


def test_a_review_never_takes_the_place_of_one_that_was_removed(place, found):
    _, second, third = [storage.write(place, found, None) for _ in range(3)]
    second.file.unlink()
    fourth = storage.write(place, found, third)
    # Else it would be read as older than the one before it.
    assert storage.read(place, "production")[-1].file == fourth.file


def test_the_newest_is_told_with_its_sign_off_and_its_age(place, found):
    before = storage.write(place, replace(found, at=NOW - timedelta(days=90)), None)
    newest = storage.write(place, found, before)
    sign(newest)
    kept = of_stack(place)
    assert (kept.newest, kept.signed, kept.age_days(NOW + timedelta(days=7)), kept.faults) == (
        storage.read(place, "production")[-1],
        kept.newest,
        7,
        (),
    )
    assert kept.newest is not None and kept.newest.review == found
    assert kept.newest.sign_off is not None
    assert (kept.newest.sign_off.signer, kept.newest.sign_off.signer_arn, kept.newest.sign_off.review_digest) == (
        "Ada",
        SIGNER,
        newest.digest,
    )


def test_a_review_is_signed_once(place, found):
    kept = storage.write(place, found, None)
    sign(kept)
    with pytest.raises(SetupError, match="already signed"):
        sign(kept, "Bob")
    [read] = storage.read(place, "production")
    assert read.sign_off is not None and read.sign_off.signer == "Ada"


def test_a_review_that_was_changed_no_longer_matches_its_digest(place, found):
    kept = storage.write(place, found, None)
    sign(kept)
    told = json.loads(kept.file.read_text())
    changed(kept.file, review={**told["review"], "principals": told["review"]["principals"][1:]})
    read = of_stack(place)
    assert (read.newest, read.signed, read.accepted(NOW)) == (None, None, None)
    assert read.faults == (f"{kept.file} was changed since it was written: it no longer matches its digest",)


def test_a_review_that_was_changed_with_its_digest_is_not_what_the_next_one_remembers(place, found):
    before = storage.write(place, replace(found, at=NOW - timedelta(days=90)), None)
    storage.write(place, found, before)
    told = json.loads(before.file.read_text())
    body = {name: told[name] for name in ("version", "previous")} | {"review": {**told["review"], "windowDays": 1}}
    changed(before.file, **body, digest=storage.digest_of(body))
    [old, new] = storage.read(place, "production")
    assert (old.is_intact, new.is_intact) == (False, True)
    assert "2026-07-01.json contains another digest" in old.fault


def test_a_sign_off_that_was_moved_to_another_review_is_none(place, found):
    first = storage.write(place, found, None)
    second = storage.write(place, replace(found, window_days=30), first)
    sign(first)
    first.file.with_suffix(".signed.json").rename(second.file.with_suffix(".signed.json"))
    assert [each.sign_off for each in storage.read(place, "production")] == [None, None]
    assert [each.is_intact for each in storage.read(place, "production")] == [True, False]


def test_a_sign_off_that_cannot_be_read_is_told(place, found):
    kept = storage.write(place, found, None)
    kept.file.with_suffix(".signed.json").write_text("nothing")
    [read] = storage.read(place, "production")
    assert "cannot be read as a sign-off" in read.fault


def test_a_folder_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path, found):
    (tmp_path / "reviews").write_text("a file")
    with pytest.raises(SetupError, match="cannot be written"):
        storage.write(tmp_path / "reviews", found, None)


# What a signature holds for.


@pytest.mark.parametrize(
    ("stack", "key_arn"),
    [
        ("production", KEY.replace("111122223333", "999988887777")),
        ("production", f"{KEY[:-1]}x"),
        ("production", KEY.replace("us-east-1", "eu-central-1")),
        ("staging", KEY),
    ],
    ids=["another account", "another key", "another Region", "another stack"],
)
def test_a_review_of_something_else_counts_for_nothing(place, found, stack, key_arn):
    sign(storage.write(place, found, None))
    # Somebody copied it, with its sign-off, which is intact.
    if stack != "production":
        shutil.copytree(place / "production", place / stack)
    read = of_stack(place, stack=stack, key_arn=key_arn)
    assert read.last is not None and read.last.is_intact
    assert (read.newest, read.signed, read.accepted(NOW), read.faults) == (None, None, None, ())


def test_a_signature_accepts_those_rights_of_these_people_and_their_roles_as_they_could_be_assumed(found):
    [stranger] = found.unexpected
    accepted = Acceptance(found, found.principals)
    saml = "arn:aws:iam::111122223333:saml-provider/clinic"
    assert accepted.covers(stranger)
    assert not Acceptance(None, found.principals).covers(stranger)
    assert not accepted.covers(replace(stranger, arn=f"{stranger.arn}2"))
    assert not accepted.covers(replace(stranger, administer=KeyPermission.YES))
    assert not accepted.covers(replace(stranger, assumed_by=(f"{saml} if SAML:aud is https://signin",)))
    # A user who can assume it has rights, and so an entry, of its own.
    assert accepted.covers(replace(stranger, assumed_by=(f"{ADMIN} through gateway",)))
