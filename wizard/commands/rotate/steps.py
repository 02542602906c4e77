"""The steps of a rotation from the creation of a key to its promotion, and whether the application is ready for them.

Reads the targets and changes nothing. No step stops an application that runs: the command that writes
what it cannot read yet is not printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from components.settings import DATA_KEY_VARIABLE, STORED_VALUES, SecretStore
from components.settings.stored_values import HASH_KEY_VARIABLE
from wizard.account.facts import running
from wizard.commands.rotate.evidence import (
    REENCRYPT,
    promote_command,
    record_tables,
    reencrypt_command,
    scan_command,
)
from wizard.commands.rotate.hash_evidence import hash_command, promote_hash_command
from wizard.commands.rotate.versions import DataKeyStore
from wizard.core.errors import PolicyRefusal
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import Command, Text, eonpro, shell
from wizard.data_key import delivery
from wizard.targets.port import deploy_target


class Application(StrEnum):
    """What a person says of the application, where it is not seen from here."""

    DEPLOYED = "deployed"
    STOPPED = "stopped"


LATER = (
    "only then, by the commands that it prints: carry every record to the new key, look for those that are left, "
    "promote, and carry once more what the application wrote meanwhile. Until then nothing is under the new key"
)


def next_steps(
    data_keys: DataKeyStore, *, current: DataKeyVersion, new: DataKeyVersion, application: str | None
) -> tuple[str, ...]:
    """What is left to do, in order: commands as far as the application is ready for them."""
    value, stack = data_keys.settings.names.value, data_keys.stack
    flag = value.option or "--data-key"
    again = eonpro("rotate", flag, "--stack", stack)
    if application == Application.STOPPED:
        return (*_commands(data_keys, current=current, new=new), "start the application with the promoted key")
    if not data_keys.settings.keys_for_reading:
        is_single = f"if it reads one {value.noun} alone, stop it first: "
        return (
            eonpro(
                *("setup", "--keys-for-reading", "yes", "--stack", stack),
                advice=f"if the application reads {value.reading} (phi does): it gets the new key there; deploy it",
            ),
            Command(again, advice="says whether every instance runs with it, and goes on"),
            LATER,
            Text(is_single, again.plus("--application", Application.STOPPED), " prints the commands"),
        )
    waiting, unknown = _not_reading(data_keys, current)
    if waiting or (unknown and application != Application.DEPLOYED):
        push = eonpro(
            "push", "--redeploy", "--stack", stack, advice="; ".join(waiting) or "if it was not deployed since"
        )
        seen = again if waiting else again.plus("--application", Application.DEPLOYED)
        return (
            push,
            *unknown,
            Command(
                seen,
                advice="when every instance, of every service with these tables, has the new key for reading: goes on",
            ),
            LATER,
        )
    return (*_commands(data_keys, current=current, new=new), *_once_more(data_keys))


def require_reading(data_keys: DataKeyStore, current: DataKeyVersion | None) -> None:
    """Raises PolicyRefusal where the application is known not to read the new key yet: until its next deployment it
    would not find, or not read, what is under it.
    """
    if current is None or not data_keys.settings.keys_for_reading:
        return
    waiting, _ = _not_reading(data_keys, current)
    if waiting:
        raise PolicyRefusal(
            f"the application does not try the new {data_keys.settings.names.noun} yet: {'; '.join(waiting)}; "
            "nothing was changed",
            eonpro("push", "--redeploy", "--stack", data_keys.stack),
        )


def _not_reading(data_keys: DataKeyStore, current: DataKeyVersion) -> tuple[list[str], list[str]]:
    """Where the application does not have the keys for reading, and where that is not known."""
    context = data_keys.deployed.reachable()
    variables = delivery.variables_of(context, current.wrapped)
    waiting = [problem for name in context.targets if (problem := deploy_target(name).missing(context, variables))]
    unknown: list[str] = []
    for instances in running(context):
        runtime = deploy_target(instances.target).runtime(context.settings)
        if instances.stale:
            waiting.append(f"{runtime} runs with outdated values")
        elif instances.stale is None:
            unknown.append(Text(f"whether {runtime} runs with the new key is not seen from here: ", instances.why))
    return waiting, unknown


def _commands(data_keys: DataKeyStore, *, current: DataKeyVersion, new: DataKeyVersion) -> tuple[str, ...]:
    """Every command up to the promotion; what says that it is done is in the words of each."""
    if data_keys.settings.names.variable == HASH_KEY_VARIABLE:
        keys = {DATA_KEY_VARIABLE: data_keys.settings.of_key(DATA_KEY_VARIABLE).names.stored_data_key}
        keys |= {HASH_KEY_VARIABLE: new.parameter}
        return (
            export_command(data_keys, keys, advice=f"the data key, and the new hash key {new.fingerprint}"),
            hash_command(
                data_keys,
                new,
                advice="for each table with search values; those of eonpro_phi.search with phi index, as they were "
                "indexed. Each ends with 0",
            ),
            promote_hash_command(data_keys, new),
        )
    return (
        *carrying(data_keys, current=current, new=new),
        scan_command(
            record_tables(data_keys),
            advice="with the application's AWS credentials, for each database: it reads every column of every table, "
            "and names those that still have records of the old data key, or that it cannot look into; the promotion "
            "reads its result",
        ),
        promote_command(
            data_keys,
            new.fingerprint,
            advice="when no record needs the old data key, which is still kept; it has delivered and verified the new "
            "one when it ends with 0. It needs the rights of `policy promotion`",
        ),
    )


def carrying(data_keys: DataKeyStore, *, current: DataKeyVersion, new: DataKeyVersion) -> tuple[Command, ...]:
    """The commands that re-encrypt the tables, with both wrapped keys in the environment."""
    tables = record_tables(data_keys)
    ends = "it ends with 0 when every record can be decrypted with the new key alone"
    placeholders = ("--table", "TABLE", "--columns", "COLUMN,COLUMN", "--key-column", "id", "--dry-run")
    return (
        fetch_command(data_keys, former=current, new=new),
        *(reencrypt_command(table, advice=f"with the application's AWS credentials; {ends}") for table in tables),
        *(
            ()
            if tables
            else (
                shell(
                    *(*REENCRYPT, *placeholders),
                    advice="with the application's AWS credentials, for each table with records; then again without "
                    f"--dry-run: {ends}. The application's search hashes too: --hash-columns "
                    "email:emailHash,dob:dobHash. Records of tenants, or bound ones: --tenant-column, --bind",
                ),
            )
        ),
    )


def _once_more(data_keys: DataKeyStore) -> tuple[str, ...]:
    value = data_keys.settings.names.value
    return (
        f"when the promotion is deployed, carry the tables once more by the same commands: what the application wrote "
        f"until then is under the old {value.noun}, which it reads by {value.reading}",
    )


def fetch_command(data_keys: DataKeyStore, *, former: DataKeyVersion, new: DataKeyVersion) -> Command:
    """The command that puts both wrapped data keys, and the other stored values, into the environment of `phi`."""
    # With their own key the search hashes are compared with it, and none changes.
    stored = [other.settings.names for other in data_keys.others]
    wrapped = {DATA_KEY_VARIABLE: former.parameter, f"NEW_{DATA_KEY_VARIABLE}": new.parameter}
    wrapped |= {names.variable: names.stored_data_key for names in stored}
    keys = f"{former.fingerprint} and {new.fingerprint}"
    return export_command(data_keys, wrapped, advice=f"the wrapped {keys}; only the KMS key decrypts them")


def export_command(data_keys: DataKeyStore, wrapped: Mapping[str, str], *, advice: str) -> Command:
    """The command that puts the wrapped keys of these names in the store into these variables, for `phi`."""
    # These are the usual names, whatever the application's own environment calls them. A check value would be that of
    # the key in use.
    usual = "" if data_keys.settings.delivered_names.are_guides else "PHI_VARIABLE_NAMES= "
    if data_keys.settings.key_check_value:
        usual += "".join(f"{value.check_value}= " for value in STORED_VALUES)
    return Command(
        f"export {usual}AWS_REGION={data_keys.own.region} AWS_KMS_KEY_ID={data_keys.own.key_arn}",
        *(part for name, stored in wrapped.items() for part in (f' {name}="$(', _read(data_keys, stored), ')"')),
        advice=advice,
    )


def _read(data_keys: DataKeyStore, name: str) -> Command:
    """The command that reads the wrapped key of that name from the store."""
    what: tuple[str, ...] = ("ssm", "get-parameter", "--name", name, "--with-decryption", "--query", "Parameter.Value")
    if data_keys.settings.secret_store is SecretStore.SECRETS_MANAGER:
        what = ("secretsmanager", "get-secret-value", "--secret-id", name, "--query", "SecretString")
    return shell("aws", *what, "--output", "text", "--region", data_keys.own.region)
