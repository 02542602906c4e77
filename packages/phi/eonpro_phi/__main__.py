"""The command line `python -m eonpro_phi`: `check` an environment at a start, `prove` that it encrypts and decrypts,
`wrap` a key, `reencrypt` and `encrypt` a table, `index` its texts, `migrate` plain columns, `scan` a database.

Touches its own environment, standard input or the terminal, STS and KMS; prints one line of JSON that never holds a key
or a record. `eonpro_phi.reencryption` has the commands for tables.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eonpro_phi import wrapping
from eonpro_phi.check import check, text_of
from eonpro_phi.cipher import DATA_KEY_BYTES, PhiCipher, require_sixteen_byte_ivs
from eonpro_phi.constraint import statements
from eonpro_phi.environment import WRAPPED, Credentials, WrappedKey, WrappedKeys, with_usual_names
from eonpro_phi.errors import PhiError, UnwrapError
from eonpro_phi.indexing import options as indexing
from eonpro_phi.kms import KmsKeySource, caller_arn, may_decrypt, prepare_clients
from eonpro_phi.migration import options as migration
from eonpro_phi.record import key_id
from eonpro_phi.reencryption import options as reencryption

SYNTHETIC = "Synthetic record: Jöhn Dœ, 患者 0, 🩺"
"""A text of no real patient, with characters of one to four bytes in UTF-8."""


DRY_RUN_VARIABLE = "PHI_PROVE_DRY_RUN"
"""A key of the JSON object on standard input, if the process started before the kind of its proof was known.

The value PERMISSION stands for `--permission`, any other for `--dry-run`.
"""

PERMISSION = "permission"


def prove(environment: Mapping[str, str], *, dry_run: bool = False) -> dict[str, object]:
    """Unwrap, encrypt and decrypt as the principal of this environment; returns the verdict for JSON.

    `dry_run`: only ask KMS whether it would unwrap these wrapped keys; this process gets no data key.
    """
    facts: dict[str, object] = {}
    try:
        require_sixteen_byte_ivs()
        keys = WrappedKeys.from_environment(environment)
        wrapped = keys.current
        facts |= {"keyArn": wrapped.key_arn, "fingerprint": wrapped.fingerprint}
        credentials = Credentials.from_environment(environment)
        additional = (*keys.reading_keys, *keys.former_hash_keys, *([keys.hash_key] if keys.hash_key else []))
        others = {"otherKeys": len(additional)} if additional else {}
        source = KmsKeySource(wrapped, credentials=credentials)
        with ThreadPoolExecutor(max_workers=1) as pool:
            # STS answers while KMS does; a verdict names the principal also where KMS refuses.
            principal = pool.submit(caller_arn, wrapped.region, credentials)
            try:
                if dry_run:
                    is_dry = [_dry_run(key, credentials) for key in (wrapped, *additional)]
                else:
                    data_key = source.data_key()
                    cipher = PhiCipher(data_key)
            finally:
                facts["principal"] = principal.result()
        if dry_run:
            return {"proved": True, **facts, **others, "record": "dry run" if all(is_dry) else "dry run ignored"}
        facts["keyBytes"] = DATA_KEY_BYTES
        if source.key_material_id:
            facts["keyMaterialId"] = source.key_material_id
        record = cipher.encrypt(SYNTHETIC)
        if record == cipher.encrypt(SYNTHETIC) or cipher.decrypt(record) != SYNTHETIC:
            return {
                "proved": False,
                "cause": "RecordMismatch",
                "message": "The decrypted text differs from the encrypted one.",
                **facts,
            }
        values = {key.fingerprint: _check_value(key, credentials) for key in additional}
        values[wrapped.fingerprint] = own = key_id(data_key)
        same = sorted(fingerprint for fingerprint, value in values.items() if value == own)
        same.remove(wrapped.fingerprint)
        facts |= others | ({"sameKeys": same} if same else {}) | {"keyCheckValues": values}
    except PhiError as error:
        cause = error.cause if isinstance(error, UnwrapError) else type(error).__name__
        return {"proved": False, "cause": cause, "message": str(error), **facts}
    return {"proved": True, **facts, "record": "round trip"}


def permission(environment: Mapping[str, str]) -> dict[str, object]:
    """Whether KMS lets the principal of this environment decrypt with its key, for JSON; there may be no wrapped key.

    It says nothing about any data key.
    """
    facts: dict[str, object] = {}
    try:
        # Only the Region and the KMS key count.
        key = WrappedKey.from_environment({**environment, WRAPPED: "AA=="})
        facts["keyArn"] = key.key_arn
        credentials = Credentials.from_environment(environment)
        facts["principal"] = caller_arn(key.region, credentials)
        if not may_decrypt(key.region, key.key_arn, credentials):
            message = "The endpoint does not know a dry run without a wrapped key (DryRunModifiers)."
            return {"proved": False, "cause": "Unsupported", "message": message, **facts}
    except UnwrapError as error:
        return {"proved": False, "cause": error.cause, "message": str(error), **facts}
    return {"proved": True, **facts, "record": PERMISSION}


def _dry_run(key: WrappedKey, credentials: Credentials) -> bool:
    try:
        return KmsKeySource(key, credentials=credentials).dry_run()
    except UnwrapError as error:
        raise type(error)(f"{key.key_arn} and the wrapped key {key.fingerprint}: {error}") from error


def _check_value(key: WrappedKey, credentials: Credentials) -> str:
    """The check value of another key of the environment, which is unwrapped: a failure must show now."""
    try:
        return key_id(KmsKeySource(key, credentials=credentials).data_key())
    except UnwrapError as error:
        raise type(error)(f"{key.key_arn} and the wrapped key {key.fingerprint}: {error}") from error


def _from_stdin() -> Mapping[str, str]:
    # The parent may start this process before it has the variables: what is slow happens during the wait.
    prepare_clients()
    variables = json.load(sys.stdin)
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise SystemExit("standard input is not a JSON object of strings")
    return variables


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: exit code 0 when proved, 1 when not, 2 for a wrong command line."""
    parser, check_parser = _parsers()
    options = parser.parse_args(arguments)
    if options.command == "check":
        return _print_sql(check_parser, *options.sql) if options.sql else _check(options)
    try:
        environment = with_usual_names(os.environ)
    except PhiError as error:
        print(f"phi {options.command}: {error}", file=sys.stderr)
        return 1
    if options.command in ("reencrypt", "encrypt", "scan", "index", "migrate"):
        return _run_on_database(options, environment)
    if options.command == "wrap":
        result = wrapping.wrap(environment, wrapping.from_terminal if options.prompt else wrapping.from_stdin)
        print(json.dumps(result))
        return 0 if result["wrapped"] else 1
    return _prove(options)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of the command line, and that of `check`."""
    parser = argparse.ArgumentParser(
        prog="python -m eonpro_phi", description="The application's side of PHI encryption."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_prove(commands)
    wrap_parser = commands.add_parser(
        "wrap",
        help="wrap a former ENCRYPTION_KEY, read from standard input",
        description="Reads 64 hex digits and has KMS encrypt them with the key AWS_KMS_KEY_ID, as the caller of the "
        "AWS environment or profile. Prints one line of JSON with the wrapped key.",
    )
    wrap_parser.add_argument("--prompt", action="store_true", help="ask for the key at the terminal, without echo")
    check_parser = commands.add_parser(
        "check",
        help="exit with 1 unless the variables of the data key are there, well-formed and of one key",
        description="For a build, and for a container before it starts. Names all problems at once; asks nobody.",
    )
    check_parser.add_argument("--models", metavar="MODULE", help=reencryption.MODELS)
    check_parser.add_argument("--json", action="store_true", help="one line of JSON")
    check_parser.add_argument(
        "--sql",
        metavar=("TABLE", "COLUMN"),
        nargs="+",
        help="print the statements with which PostgreSQL refuses what is no record in these columns of a table, and "
        "check nothing; data:bytes is a column of bytes, email:v2 one of bound records",
    )
    reencryption.add_to(commands)
    indexing.add_to(commands)
    migration.add_to(commands)
    return parser, check_parser


def _add_prove(commands: Any) -> None:
    parser = commands.add_parser(
        "prove",
        help="show that this environment can unwrap its data key, encrypt and decrypt",
        description="Reads AWS_REGION, AWS_KMS_KEY_ID, ENCRYPTED_PHI_KEY and AWS credentials "
        "from the environment only, and prints one line of JSON.",
    )
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="read the variables from one JSON object on standard input instead of the environment",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only ask KMS whether it would unwrap the data key: no data key comes to this machine",
    )
    parser.add_argument(
        "--permission",
        action="store_true",
        help="only ask KMS whether it lets this principal decrypt with the key, where no wrapped data key is at hand",
    )


def _print_sql(parser: argparse.ArgumentParser, table: str, *columns: str) -> int:
    try:
        lines = statements(table, columns)
    except ValueError as error:
        parser.error(str(error))
    if not lines:
        parser.error("--sql TABLE COLUMN [COLUMN ...]")
    print("\n".join(lines))
    return 0


def _check(options: argparse.Namespace) -> int:
    checked = check(os.environ, models=options.models)
    shown = json.dumps(checked) if options.json else text_of(checked)
    print(shown, file=sys.stdout if options.json or checked["checked"] else sys.stderr)
    return 0 if checked["checked"] else 1


def _run_on_database(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    # Imported here: the other commands need no database.
    try:
        from eonpro_phi.indexing import command as index
        from eonpro_phi.migration import command as migrate
        from eonpro_phi.reencryption import command, scan
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        print(f"phi {options.command}: psycopg is not installed: pip install 'psycopg[binary]'", file=sys.stderr)
        return 1
    run = {"scan": scan.run, "index": index.run, "migrate": migrate.run}.get(options.command, command.run)
    return run(options, environment)


def _prove(options: argparse.Namespace) -> int:
    variables = _from_stdin() if options.stdin else os.environ
    dry_run = variables.get(DRY_RUN_VARIABLE) if options.stdin else None
    if options.permission or dry_run == PERMISSION:
        verdict = permission(variables)
    else:
        verdict = prove(variables, dry_run=options.dry_run or dry_run is not None)
    print(json.dumps(verdict))
    return 0 if verdict["proved"] else 1


if __name__ == "__main__":
    code = main()
    if sys.argv[1] == "prove":
        # The parent waits for the end, and the interpreter would take a tenth of a second for it.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
