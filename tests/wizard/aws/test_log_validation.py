"""Whether the audit logs are as CloudTrail signed them: the chain of digests, and the log files that they name."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Condition
from typing import Any

import pytest

from sandbox.aws.digests import DeliveredObject, delivered, public_key
from tests.wizard.aws.conftest import KEYS, files
from tests.wizard.fakes.clients import ACCOUNT, BUCKET, REGION, TRAIL, trail_fact
from wizard.aws import log_validation
from wizard.aws.auth.http import PARALLEL_OBJECTS
from wizard.aws.client import connect
from wizard.core.errors import PermissionDenied
from wizard.core.models.account import TrailFact
from wizard.core.models.trail import LogValidation

NOW = datetime(2026, 7, 1, 12, 20, tzinfo=UTC)
HOURS = 6
DENIED = PermissionDenied("kms:Decrypt is denied", "ask")


@dataclass
class Bucket:
    """A session whose S3 has one bucket in memory, with the last hours of a trail."""

    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    denied: str = ""
    """A part of the keys that cannot be read."""
    signers: dict[str, bytes] = field(default_factory=lambda: dict([public_key()]))

    def put(self, hours: int = HOURS, **changes: Any) -> None:
        order = {"bucket": BUCKET, "prefix": "", "trail_arn": TRAIL, "region": REGION, "until": NOW, **changes}
        self.objects |= {each.key: (each.body, each.metadata) for each in delivered(hours=hours, **order)}

    def with_region(self, region: str) -> Bucket:
        return self

    def once(self, name: str, find: Callable[[], Any]) -> dict[str, str]:
        return {"Account": ACCOUNT}

    def translating(self, service: str, operation: str) -> Any:
        return nullcontext()

    def pages(self, service: str, operation: str, key: str, **query: Any) -> Iterator[Any]:
        match key:
            case "PublicKeyList":
                yield from ({"Fingerprint": name, "Value": value} for name, value in self.signers.items())
            case "Contents":
                fits = (name for name in self.objects if name.startswith(query["Prefix"]))
                yield from ({"Key": name} for name in sorted(fits) if name > query["StartAfter"])
            case _:
                yield from ({"Prefix": f"{name.split(ACCOUNT)[0]}"} for name in self.objects if "/o-" in name)

    def find(self, service: str, operation: str, *, absent: Any, Key: str, **_: Any) -> Any:
        if self.denied and self.denied in Key:
            raise DENIED
        if Key not in self.objects:
            return None
        body, metadata = self.objects[Key]
        return {"Body": io.BytesIO(body), "Metadata": metadata}

    def object_reader(self, bucket: str, owner: str) -> Bucket:
        return self

    def read(self, key: str) -> tuple[bytes, dict[str, str]] | None:
        """As `ObjectReader` does: nothing for an answer that GetObject has to explain."""
        return None if self.denied and self.denied in key else self.objects.get(key)

    @property
    def digests(self) -> list[str]:
        return sorted(key for key in self.objects if "CloudTrail-Digest" in key)

    @property
    def logs(self) -> list[str]:
        return sorted(self.objects.keys() - set(self.digests))

    def rewrite(self, key: str, change: Callable[[dict[str, Any]], None]) -> None:
        """The digest with other fields, under its old signature."""
        body, metadata = self.objects[key]
        fields = json.loads(gzip.decompress(body))
        change(fields)
        self.objects[key] = gzip.compress(json.dumps(fields).encode()), metadata


@pytest.fixture
def bucket() -> Bucket:
    there = Bucket()
    there.put()
    return there


def validated(bucket: Bucket, trail: TrailFact | None = None, *, most: int | None = None, days: int = 90) -> Any:
    session: Any = bucket
    return log_validation.validate(
        session, trail or trail_fact(), REGION, since=NOW - timedelta(days=days), until=NOW, most=most
    )


def test_logs_as_they_were_signed_are_counted_with_their_hours(bucket) -> None:
    assert validated(bucket) == LogValidation(
        region=REGION,
        since=datetime(2026, 7, 1, 6, tzinfo=UTC),
        until=datetime(2026, 7, 1, 12, tzinfo=UTC),
        digests=HOURS,
        logs=HOURS,
    )


def test_a_later_delivery_goes_on_after_the_last_digest() -> None:
    bucket = Bucket()
    bucket.put(until=NOW - timedelta(hours=2))
    last = bucket.digests[-1]
    body, metadata = bucket.objects[last]
    bucket.put(hours=2, until=NOW - timedelta(hours=1), after=DeliveredObject(key=last, body=body, metadata=metadata))
    assert (validated(bucket).digests, validated(bucket).faults) == (HOURS + 1, ())
    bucket.put(hours=2)
    assert validated(bucket).faults != (), "a chain that begins again"


def deleted_log(bucket: Bucket) -> None:
    del bucket.objects[bucket.logs[2]]


def changed_log(bucket: Bucket) -> None:
    bucket.objects[bucket.logs[2]] = (gzip.compress(b'{"Records": []}'), {})


def appended_log(bucket: Bucket) -> None:
    bucket.objects[bucket.logs[2]] = (bucket.objects[bucket.logs[2]][0] + b"more", {})


def cut_log(bucket: Bucket) -> None:
    bucket.objects[bucket.logs[2]] = (bucket.objects[bucket.logs[2]][0][:-9], {})


def not_a_log(bucket: Bucket) -> None:
    bucket.objects[bucket.logs[2]] = (b"text", {})


def hidden_log(bucket: Bucket) -> None:
    """The log file is deleted, and its digest no longer names it."""
    deleted_log(bucket)
    bucket.rewrite(bucket.digests[2], lambda fields: fields.update(logFiles=[]))


def deleted_digest(bucket: Bucket) -> None:
    del bucket.objects[bucket.digests[2]]


def unsigned_digest(bucket: Bucket) -> None:
    bucket.objects[bucket.digests[2]] = (bucket.objects[bucket.digests[2]][0], {})


def moved_digest(bucket: Bucket) -> None:
    bucket.objects[bucket.digests[2]] = bucket.objects[bucket.digests[3]]


def foreign_digest(bucket: Bucket) -> None:
    bucket.signers = {"another": b""}


def not_a_digest(bucket: Bucket) -> None:
    bucket.objects[bucket.digests[2]] = (b"text", bucket.objects[bucket.digests[2]][1])


def restarted(bucket: Bucket) -> None:
    """Validation was off for four hours."""
    bucket.objects.clear()
    bucket.put(hours=2)
    bucket.put(hours=2, until=NOW - timedelta(hours=6))


FAULTS = {
    deleted_log: "is missing",
    changed_log: "was changed",
    appended_log: "was changed",
    cut_log: "was changed",
    not_a_log: "was changed",
    hidden_log: "has a wrong signature",
    deleted_digest: "is missing",
    unsigned_digest: "cannot be read",
    moved_digest: "was moved",
    foreign_digest: "is signed by a key that CloudTrail does not know",
    not_a_digest: "cannot be read",
    restarted: "nothing was signed between 2026-07-01 06:00 and 2026-07-01 10:00 UTC",
}


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_an_auditor_is_told_what_was_changed_or_deleted(bucket, change) -> None:
    change(bucket)
    faults = validated(bucket).faults
    assert faults and all(FAULTS[change] in fault for fault in faults)


def test_a_digest_that_is_signed_but_does_not_follow_breaks_the_chain(bucket) -> None:
    """Two histories of the same hours, each correctly signed: half of one before half of the other."""
    other = Bucket()
    other.put(until=NOW, hours=HOURS + 1)
    bucket.objects[bucket.digests[2]] = other.objects[bucket.digests[2]]
    bucket.objects |= {key: entry for key, entry in other.objects.items() if key not in bucket.objects}
    assert any("does not follow the one before it" in fault for fault in validated(bucket).faults)


def test_the_deletion_of_the_newest_digests_shows_in_the_status_of_the_trail(bucket) -> None:
    trail = replace(trail_fact(), last_digest=NOW)
    assert validated(bucket, trail).faults == ()
    for key in bucket.digests[-3:]:
        del bucket.objects[key]
    assert validated(bucket, trail).faults == (
        "CloudTrail delivered a digest at 2026-07-01 12:20 UTC, but the newest in the bucket ends at "
        "2026-07-01 09:00 UTC",
    )
    bucket.objects.clear()
    assert "the bucket has none" in validated(bucket, trail).faults[0]


def test_logs_that_cannot_be_decrypted_are_not_called_as_signed(bucket) -> None:
    bucket.denied = "/CloudTrail/"
    of = validated(bucket)
    assert (of.digests, of.logs, of.faults) == (HOURS, 0, ())
    assert of.unread == (f"{HOURS} log files could not be read: kms:Decrypt is denied",)


def test_digests_that_cannot_be_read_are_that_error(bucket) -> None:
    bucket.denied = "CloudTrail-Digest"
    with pytest.raises(PermissionDenied):
        validated(bucket)


def test_of_many_log_files_the_newest_are_compared_and_the_others_counted(bucket) -> None:
    bucket.objects[bucket.logs[0]] = (b"changed", {})
    assert (validated(bucket, most=2).logs, validated(bucket, most=2).left, validated(bucket, most=2).faults) == (
        2,
        HOURS - 2,
        (),
    )


def test_only_the_digests_of_the_period_and_of_this_trail_are_read(bucket) -> None:
    bucket.put(hours=3, until=NOW - timedelta(days=40))
    bucket.put(hours=3, trail_arn=TRAIL.replace("eonpro", "another"))
    assert validated(bucket, days=1).digests == HOURS


def test_the_digests_of_an_organizations_trail_are_below_its_id(bucket) -> None:
    trail = trail_fact(prefix="trails", organization=True)
    there = Bucket()
    there.put(prefix="trails/AWSLogs/o-clinic12345")
    there.objects = {key.replace("o-clinic12345/AWSLogs", "o-clinic12345"): it for key, it in there.objects.items()}
    # They name another place, so each was moved; but all are read.
    assert len(validated(there, trail).faults) == HOURS


def test_logs_that_another_bucket_holds_are_not_called_as_signed(bucket) -> None:
    """The trail wrote to another bucket before."""
    digest = log_validation._Digest(
        key=bucket.digests[0],
        since=NOW - timedelta(hours=1),
        until=NOW,
        signature="",
        previous=("the-former-bucket", bucket.digests[0]),
        previous_signature="",
        logs=(),
    )
    assert log_validation._chain([digest], bucket.digests, BUCKET, NOW - timedelta(days=1)) == (
        [],
        ["the logs before 2026-07-01 11:20 UTC are in the bucket the-former-bucket"],
    )


@dataclass
class DistantBucket(Bucket):
    """Answers when as many requests have come as can be sent together, and counts these rounds."""

    left: dict[bool, int] = field(default_factory=dict)
    """How many digests (True) and log files are still to be asked for."""
    waiting: int = 0
    rounds: int = 0
    gate: Condition = field(default_factory=Condition)

    def read(self, key: str) -> tuple[bytes, dict[str, str]] | None:
        kind = "CloudTrail-Digest" in key
        with self.gate:
            self.waiting, number = self.waiting + 1, self.rounds
            if self.waiting == min(PARALLEL_OBJECTS, self.left[kind]):
                self.left[kind] -= self.waiting
                self.waiting, self.rounds = 0, number + 1
                self.gate.notify_all()
            assert self.gate.wait_for(lambda: self.rounds > number, timeout=30)
        return super().read(key)


def test_a_month_of_logs_is_validated_in_a_few_rounds_of_requests_and_not_one_after_another() -> None:
    bucket = DistantBucket(left={True: 720, False: 500})
    bucket.put(hours=720)
    of = validated(bucket, most=500)
    assert (of.digests, of.logs, of.faults) == (720, 500, ())
    # A quarter: 23 and 6.
    assert bucket.rounds == ceil(720 / 96) + ceil(500 / 96)


def test_an_object_is_read_as_get_object_reads_it_and_a_missing_one_is_left_to_it(aws, boto) -> None:
    name, body = "logs/2026/07/a b+~=ü.json.gz", gzip.compress(b"{}")
    boto("s3").create_bucket(Bucket=BUCKET)
    boto("s3").put_object(Bucket=BUCKET, Key=name, Body=body, ContentEncoding="gzip", Metadata={"signature": "ab"})
    reader = aws._session.object_reader(BUCKET, ACCOUNT)
    answer = aws._session.call("s3", "GetObject", Bucket=BUCKET, Key=name)
    assert reader.read(name) == (answer["Body"].read(), answer["Metadata"]) == (body, {"signature": "ab"})
    assert reader.read("logs/none") is None


@pytest.mark.parametrize("fault", ["an answer that breaks off", "a refusal", "no connection"])
def test_a_log_file_whose_answer_was_lost_is_read_again_and_not_called_changed(script, tmp_path, fault) -> None:
    url = script.url if fault != "no connection" else "http://127.0.0.1:9"
    session = connect(environ={**files(tmp_path), **KEYS, "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"})._session
    request = f"GET /{BUCKET}/log"
    script.answer(request, "the log file", status=503 if fault == "a refusal" else 200)
    script.break_off[request] = int(fault == "an answer that breaks off")
    assert session.object_reader(BUCKET, ACCOUNT).read("log") is None
