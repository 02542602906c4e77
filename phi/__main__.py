"""The proof: `python -m phi prove` shows that the environment it was given can encrypt and decrypt PHI; `wrap`;
and `reencrypt`, which is in a room of its own.

Touches its own environment, standard input or the terminal, STS and KMS; prints one line of JSON, in which neither key
nor record appears.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from itertools import chain

from phi import wrapping
from phi.cipher import DATA_KEY_BYTES, PhiCipher, require_sixteen_byte_ivs
from phi.environment import Credentials, WrappedKey, WrappedKeys
from phi.errors import PhiError, UnwrapError
from phi.kms import KmsKeySource, caller_arn, load
from phi.reencryption import options as reencryption

SYNTHETIC = "Synthetic record: Jöhn Dœ, 患者 0, 🩺"
"""A text that belongs to nobody and needs one to four bytes a character in UTF-8."""


def prove(environment: Mapping[str, str]) -> dict[str, object]:
    """Unwrap, encrypt and decrypt as the principal of this environment; the verdict, as facts for JSON."""
    facts: dict[str, object] = {}
    try:
        require_sixteen_byte_ivs()
        keys = WrappedKeys.from_environment(environment)
        wrapped = keys.current[0]
        facts |= {"keyArn": wrapped.key_arn, "fingerprint": wrapped.fingerprint}
        credentials = Credentials.from_environment(environment)
        facts["principal"] = caller_arn(wrapped.region, credentials)
        cipher = PhiCipher(KmsKeySource(wrapped, credentials=credentials).data_key())
        facts["keyBytes"] = DATA_KEY_BYTES
        record = cipher.encrypt(SYNTHETIC)
        if record == cipher.encrypt(SYNTHETIC) or cipher.decrypt(record) != SYNTHETIC:
            return {
                "proved": False,
                "cause": "RecordMismatch",
                "message": "The record came back changed.",
                **facts,
            }
        others = (*keys.current[1:], *chain.from_iterable(keys.reading))
        for door in others:
            _open(door, credentials)
        facts |= {"otherDoors": len(others)} if others else {}
    except PhiError as error:
        cause = error.cause if isinstance(error, UnwrapError) else type(error).__name__
        return {"proved": False, "cause": cause, "message": str(error), **facts}
    return {"proved": True, **facts, "record": "round trip"}


def _open(door: WrappedKey, credentials: Credentials) -> None:
    """Unwrap at the door of a fallback or a reading key: nobody should learn that it fails when it is needed."""
    try:
        KmsKeySource(door, credentials=credentials).data_key()
    except UnwrapError as error:
        raise type(error)(f"{door.key_arn} and the wrapped key {door.fingerprint}: {error}") from error


def _from_stdin() -> Mapping[str, str]:
    # Whoever started this may have nothing to hand over yet: what takes long is done before the wait.
    load()
    given = json.load(sys.stdin)
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise SystemExit("standard input holds no JSON object of texts")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: exit code 0 when proved, 1 when not, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m phi", description="The application's side of PHI encryption.")
    commands = parser.add_subparsers(dest="command", required=True)
    proving = commands.add_parser(
        "prove",
        help="show that this environment opens its data key and round-trips a record",
        description="Reads AWS_REGION, AWS_KMS_KEY_ID, ENCRYPTED_PHI_KEY and AWS credentials "
        "from the environment only, and prints one line of JSON.",
    )
    proving.add_argument(
        "--stdin",
        action="store_true",
        help="read the variables from one JSON object on standard input, in place of the environment",
    )
    wrapper = commands.add_parser(
        "wrap",
        help="wrap a former ENCRYPTION_KEY, read from standard input",
        description="Reads 64 hex digits and has KMS encrypt them under AWS_KMS_KEY_ID, as the caller of the AWS "
        "environment or profile; prints one line of JSON with the wrapped key.",
    )
    wrapper.add_argument("--prompt", action="store_true", help="ask at the terminal, which does not show it")
    reencryption.add_to(commands)
    options = parser.parse_args(arguments)
    if options.command == "reencrypt":
        # Loaded here: the proof has no use for a database.
        try:
            from phi.reencryption import command
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            print("phi reencrypt: psycopg is not installed; pip install 'eonpro-phi[postgres]'", file=sys.stderr)
            return 1
        return command.run(options, os.environ)
    if options.command == "wrap":
        told = wrapping.wrap(os.environ, wrapping.from_terminal if options.prompt else wrapping.from_stdin)
        print(json.dumps(told))
        return 0 if told["wrapped"] else 1
    verdict = prove(_from_stdin() if options.stdin else os.environ)
    print(json.dumps(verdict))
    return 0 if verdict["proved"] else 1


if __name__ == "__main__":
    sys.exit(main())
