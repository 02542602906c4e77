"""`rotate --hash-key`: create another hash key, and what its promotion needs; all else is the data key's rotation.

Acts through the ports. Until the promotion, and after it, the application tries both keys in a search.
"""

from __future__ import annotations

from dataclasses import replace

from components.settings.stored_values import DATA_KEY_VARIABLE, HASH_KEY
from wizard.commands.rotate import data_key
from wizard.commands.rotate.evidence import record_tables
from wizard.commands.rotate.hash_evidence import hash_command, hashed_file, require_reading
from wizard.commands.rotate.result import Action, RotateResult
from wizard.commands.rotate.versions import DataKeyStore, read_stack
from wizard.core.clients import Clients, Request
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import wizard

_HASH = ("--dsn", "postgresql://HOST/DATABASE")


def make_new(request: Request, clients: Clients) -> RotateResult:
    """Create a hash key as another version, and deliver it as one that a search tries beside the current one.

    Raises UsageError where the settings do not say that the application tries more than one.
    """
    data_keys = read_stack(request, clients, variable=HASH_KEY.variable)
    require_reading(data_keys)
    why = "The search values then have to be written again under the new hash key. Both are kept forever."
    command = wizard("rotate", "--hash-key")
    old, new, changed = data_key.make_version(request, clients, data_keys, command, why=why)
    current = data_keys.version(old)
    assert current is not None
    delivered = data_key.put_in_place(
        replace(request, confirmed=request.stack),  # Nothing is replaced: the current one is delivered with the list.
        clients,
        data_keys,
        current,
        action=Action.HASH_KEY,
        warnings=(),
        command=command.plus("--stack", data_keys.stack),
    )
    return replace(delivered, changed=changed, subject=new, next=(*delivered.next, *_next_steps(data_keys, new)))


def _next_steps(data_keys: DataKeyStore, new: DataKeyVersion) -> tuple[str, ...]:
    keys = {DATA_KEY_VARIABLE: data_keys.settings.of_key(DATA_KEY_VARIABLE).names.stored_data_key}
    keys |= {HASH_KEY.variable: new.parameter}
    files = [hashed_file(table.table) for table in record_tables(data_keys) if table.hashes] or [hashed_file("TABLE")]
    evidence = [word for file in files for word in ("--reencrypted", file)]
    stack = data_keys.stack
    return (
        data_key.export_command(data_keys, keys, advice=f"the data key, and the new hash key {new.fingerprint}"),
        hash_command(
            data_keys,
            new,
            advice="when the application runs with the list that was delivered, for each table with search values; "
            "those of phi.search with phi index, as they were indexed",
        ),
        wizard(
            *("rotate", "--promote", new.fingerprint, *evidence, "--stack", stack, "--confirm", stack),
            advice="when every table is hashed again; the former hash key is kept, and a search tries it too",
        ),
    )
