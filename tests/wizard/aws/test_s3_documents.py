"""The reader of documents in S3: what HeadObject leaves unsaid, endless listings, a bucket of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from wizard.aws.s3_documents import S3Documents
from wizard.core.errors import CredentialsError, PermissionDenied, ResourceError, SetupError
from wizard.core.models.s3_documents import DocumentBucket, Encryption, ObjectVersion

BUCKET = DocumentBucket(name="clinic-documents", region="us-east-1", encryption=Encryption(algorithm="AES256"))
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SCAN = ObjectVersion(key="scan")


class FakeSession:
    """S3 with the answers of a test, by operation: a value, an error, or a function of the parameters."""

    region = "us-east-1"

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[tuple[str, dict[str, Any]]]()

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        return "111122223333"

    def call(self, service: str, operation: str, /, **parameters: Any) -> Any:
        self.asked.append((operation, parameters))
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer(**parameters) if callable(answer) else answer

    def whole_pages(self, service: str, operation: str, /, *, most: int | None = 1, **parameters: Any) -> Iterator[Any]:
        assert most is None, "a bucket may have any number of objects"
        page = self.call(service, operation, **parameters)
        yield page
        while page.get("IsTruncated"):
            page = self.call(service, operation, **parameters, ContinuationToken=page["NextContinuationToken"])
            yield page

    def find(self, service: str, operation: str, /, *, absent: Collection[str], **parameters: Any) -> Any:
        return self.call(service, operation, **parameters)


def failed(code: str, message: str = "", kind: type[SetupError] = ResourceError) -> SetupError:
    """An error of the session, with botocore's as its cause."""
    error = kind(f"{code}: {message}", "")
    error.__cause__ = ClientError({"Error": {"Code": code, "Message": message}}, "HeadObject")
    return error


def reader(**answers: Any) -> S3Documents:
    session: Any = FakeSession(**answers)
    return S3Documents(session)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.aws.s3_documents.account_of", lambda session: "111122223333")


def test_an_object_under_a_key_of_its_writer_is_told_by_s3_s_refusal_alone() -> None:
    state = reader(HeadObject=failed("400"), ListObjectsV2={"Contents": []}).state(BUCKET, SCAN)
    assert state is not None and state.encryption == Encryption(algorithm="SSE-C")


def test_credentials_that_ended_are_not_taken_for_such_a_key() -> None:
    """S3 answers a HEAD request without a body: 400 for both."""
    ended = failed("ExpiredToken", "The provided token has expired.", CredentialsError)
    with pytest.raises(CredentialsError, match="expired"):
        reader(HeadObject=failed("400"), ListObjectsV2=ended).state(BUCKET, SCAN)


@pytest.mark.parametrize("code", ["404", "405", "NoSuchKey"])
def test_an_object_that_was_deleted_meanwhile_is_none(code: str) -> None:
    assert reader(HeadObject=failed(code)).state(BUCKET, SCAN) is None


def test_each_request_names_the_account_that_has_to_own_the_bucket() -> None:
    documents = reader(HeadObject={"ServerSideEncryption": "AES256"}, UpdateObjectEncryption={})
    documents.state(BUCKET, SCAN)
    assert documents.encrypt(BUCKET, ObjectVersion(key="scan", version="v1"), KEY) is None
    session: Any = documents._session
    assert [parameters["ExpectedBucketOwner"] for _, parameters in session.asked] == ["111122223333"] * 2
    assert session.asked[1][1]["VersionId"] == "v1"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (failed("InvalidRequest", "doesn't support source objects with the encryption type DSSE-KMS"), "DSSE-KMS"),
        (failed("NoSuchKey"), "it is gone"),
        (failed("AccessDenied", "that object is protected by S3 Object Lock", PermissionDenied), "S3 Object Lock"),
    ],
)
def test_what_s3_refuses_of_one_object_is_its_reason(error: SetupError, why: str) -> None:
    assert why in str(reader(UpdateObjectEncryption=error).encrypt(BUCKET, SCAN, KEY))


def test_a_caller_who_may_not_is_an_error() -> None:
    denied = failed("AccessDenied", "not authorized to perform: kms:ReEncryptTo", PermissionDenied)
    with pytest.raises(PermissionDenied, match="ReEncryptTo"):
        reader(UpdateObjectEncryption=denied).encrypt(BUCKET, SCAN, KEY)


def test_pages_are_asked_for_one_after_the_other_and_none_twice() -> None:
    pages = {
        None: {"Contents": [{"Key": "a"}], "IsTruncated": True, "NextContinuationToken": "1"},
        "1": {"Contents": [{"Key": "b"}]},
    }
    documents = reader(ListObjectsV2=lambda **asked: pages[asked.get("ContinuationToken")])
    assert [each.key for page in documents.versions(BUCKET, every=False) for each in page] == ["a", "b"]


def test_a_bucket_that_says_nothing_of_its_encryption_has_s3_s_own() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("GetBucketEncryption", "GetPublicAccessBlock", "GetBucketVersioning", "GetObjectLockConfiguration"), {}
    )
    session: Any = FakeSession(GetBucketLocation={"LocationConstraint": None}, GetBucketPolicy=None, **empty)
    session.together = lambda *calls: tuple(call() for call in calls)
    bucket = S3Documents(session).bucket("clinic-documents")
    assert bucket is not None
    assert (bucket.encryption.algorithm, bucket.region, bucket.lock, bucket.versioned) == (
        "AES256",
        "us-east-1",
        None,
        False,
    )
