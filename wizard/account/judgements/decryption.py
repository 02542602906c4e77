"""The checks of the data key in use: the application decrypts it, and it is the key that was recorded.

Reads through the facts. The application's own credentials, where they are available, stay in the verifier.
"""

from collections.abc import Iterator

from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.principal import RESTART, organization_denies
from wizard.account.judgements.stored_data_key import is_unknown, restore_previous
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import SetupError, known_or
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import AppVariables, StoredDataKey
from wizard.core.models.verification import ChildResult
from wizard.core.next_command import NO_COMMAND, Command
from wizard.data_key import opening
from wizard.targets.port import DeployTarget, deploy_targets


@judgement("application-tested")
def check_decryption(facts: StackFacts) -> Iterator[Notice]:
    """Whether the application decrypts its data key, with its own credentials if they are available."""
    stored_data_key, key, settings = facts.stored_data_key, facts.key, facts.settings
    if not isinstance(key, KeyFact):
        return
    stored = stored_data_key if isinstance(stored_data_key, StoredDataKey) else None
    beside = tuple(
        (each.settings.names.variable, value.wrapped)
        for each in facts.beside
        if isinstance(value := each.stored_data_key, StoredDataKey)
    )
    variables = (
        AppVariables(region=settings.region, key_arn=key.arn, wrapped=stored.wrapped, beside=beside) if stored else None
    )
    principals: dict[str, DeployTarget] = {}
    for target in deploy_targets(settings.deploy_targets):
        arn = facts.outputs.principal_of(target.name) if facts.outputs else settings.app_principal_arns[0]
        principals.setdefault(arn, target)
    for arn, target in principals.items():
        if (result := _verdict(facts, arn, target, variables, key.arn)) is None:
            continue  # The checks of its policies report the rest.
        if isinstance(result, SetupError):
            yield Notice.unread("the verification as the application", result)
        elif not result.is_answer:
            yield Notice.unknown(
                "the verification as the application", why=f"KMS did not answer ({result.cause}: {result.message})"
            )
        elif result.proved and variables is None:
            yield Notice.good(f"{result.principal} may decrypt with the key; no data key was at hand to verify it with")
        elif result.proved and (problem := _another_key(facts, result)):
            stored_key = stored.wrapped if stored else None
            yield _differs(problem, restore_previous(facts, stored_key) if stored_key else NO_COMMAND)
        elif result.proved:
            yield Notice.good(f"{result.principal} can decrypt the data key {result.fingerprint}")
        elif result.cause == "Unsupported":
            yield Notice.unknown(f"whether {arn} may decrypt, without the stored data key", why=result.message)
        else:
            yield _failed(facts, arn, result, stored)


def _another_key(facts: StackFacts, result: ChildResult) -> str | None:
    """Why a stored value that was opened is another key than it should be; None where it was not opened."""
    for each in (facts, *facts.beside):
        stored = each.stored_data_key
        if not result.check_values or not isinstance(stored, StoredDataKey):
            continue
        versions = known_or(each.versions, ())
        is_new = not any(version.kept and version.wrapped == stored.wrapped for version in versions)
        wrapped = opening.opened(stored.wrapped, result.check_values)
        if problem := opening.another_key(wrapped, versions, is_new=is_new):
            return problem
    return None


def _differs(problem: str, command: Command) -> Notice:
    why = "what is encrypted from now on is under another key than the records: neither opens the other's"
    return Notice.wrong("key-check-value-differs", what=problem, why=why, command=command, advice=RESTART)


@judgement("data-key-stored")
def check_check_values(facts: StackFacts) -> Iterator[Notice]:
    """Whether what is recorded of the key says that the stored one, and each version, is the key that it should be."""
    stored = facts.stored_data_key
    if not isinstance(stored, StoredDataKey):
        return  # Reported by check_stored_data_key.
    versions = needed(f"the versions of {facts.settings.names.stored_data_key}", facts.versions)
    others = [version for other in facts.beside for version in known_or(other.versions, ())]
    same_as = next((version.same_as for version in versions if version.wrapped == stored.wrapped), None)
    if problem := opening.another_key(stored.wrapped, versions, same_as=same_as, others=others):
        # Which of them is right is not known: nothing is replaced.
        yield _differs(problem, fixes.eonpro(facts, "verify", "--full"))
    elif stored.wrapped.check_value:
        yield Notice.good(f"{stored.wrapped.fingerprint} opens to the key that was recorded for it")


def _verdict(
    facts: StackFacts, arn: str, target: DeployTarget, variables: AppVariables | None, key_arn: str
) -> ChildResult | SetupError | None:
    container_first = target.container_credentials_first
    search = facts.once(
        f"credentials {arn}",
        lambda: facts.aws.application_credentials.app_credentials(arn, container_first=container_first),
    )
    if isinstance(search, SetupError) or search.credentials is None:
        return None
    credentials = search.credentials
    if variables is None:
        region = facts.settings.region
        return facts.once(
            f"permission {arn}", lambda: facts.sources.prover.may_decrypt(credentials, region=region, key_arn=key_arn)
        )
    full = is_unknown(facts, variables.wrapped)
    # No retries: nothing was created just now that has to become consistent.
    return facts.once(
        f"proof {arn}", lambda: facts.sources.prover.prove(credentials, variables, retry_seconds=0, full=full)
    )


_BY_VERDICT = {
    "WrongLength": "data-key-wrong-length",
    "WrongKey": "unwrap-failed",
    "WrongKeyCheckValue": "key-check-value-differs",
    "InvalidCiphertext": "unwrap-failed",
    "AccessDenied": "access-denied",
}


def _failed(facts: StackFacts, arn: str, result: ChildResult, stored: StoredDataKey | None) -> Notice:
    if "resource control policy" in result.message:
        # IAM's simulator does not evaluate these policies: only the real call shows it.
        return organization_denies(facts, "resource", "kms:Decrypt on the key")
    cause = _BY_VERDICT.get(result.cause, "proof-failed")
    denied = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=Decrypt")
    command = fixes.aws(facts, *denied, "--max-results", "10")
    if stored and cause in ("data-key-wrong-length", "unwrap-failed"):
        command = restore_previous(facts, stored.wrapped)
    what = f"the data key {stored.wrapped.fingerprint}" if stored else "with the key"
    return Notice.wrong(
        cause,
        what=f"{result.principal or arn} cannot decrypt {what}: {result.cause}",
        why=result.message,
        command=command,
        advice=RESTART,
    )


ACCESS_CHECKS: tuple[Judgement, ...] = (check_decryption,)


OTHER_CHECKS: tuple[Judgement, ...] = (check_check_values,)
