"""The bell: `python -m wizard`. Reads the command line, makes the edges, runs one command, prints its error, exits.

Touches standard input and output, the answers file, and all of the wizard. Libraries are loaded after `--help`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wizard.errors import MissingAnswers, PreflightFailed, SetupError, UsageError
from wizard.questions import add_flags, by_key

if TYPE_CHECKING:
    from components.contract import Settings
    from wizard.journey import Doors, Request
    from wizard.terminal import Terminal

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
INTERRUPTED = 130
"""Exit code after Ctrl-C at a prompt: 128 + SIGINT, as shells have it."""

COMMANDS = {
    "setup": "set up or update everything: resources, data key, delivery, proof (the default)",
    "preview": "show what setup would do; make nothing",
    "push": "deliver the escrowed data key to its targets again",
    "verify": "prove again that the application can open the data key; change nothing",
    "access-key": "rotate | retire: change the access key of the application on Vercel, where it has one",
    "policy": "operator: print the least IAM policy that the set-up needs",
    "destroy": "take the stack away, and leave the key, the data key and the audit trail",
}

ACTIONS = {"access-key": ("rotate", "retire"), "policy": ("operator",)}
"""What a command takes beside its name."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m wizard",
        description="Set up AWS KMS for EONPRO: a key that passes an audit, and the wrapped data key delivered.",
        epilog="commands:\n"
        + "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
        + "\n\nexit codes:\n"
        "  0 ok, 1 failure, 2 usage or missing answers, 3 credentials or permission, 4 resource failure,\n"
        "  5 policy refusal, 6 stack not found, 8 cancelled, 130 Ctrl-C at a prompt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("command", nargs="?", default="setup", choices=tuple(COMMANDS), metavar="COMMAND")
    made.add_argument("action", nargs="?", metavar="ACTION", help="of access-key and policy: what to do")
    made.add_argument("--stack", default="production", metavar="NAME", help="the Pulumi stack (default: production)")
    made.add_argument("--answers", type=Path, metavar="FILE", help="answers file, YAML or JSON (see examples/)")
    made.add_argument("--yes", action="store_true", help="confirm the plan beforehand")
    made.add_argument("--confirm", metavar="NAME", help="the stack's name: confirms beforehand what cannot be undone")
    made.add_argument("--adopt", action="store_true", help="take what was set up by hand into the stack")
    made.add_argument(
        "--json", action="store_true", help="one JSON document on stdout, all else on stderr; asks nothing"
    )
    made.add_argument("--non-interactive", action="store_true", help="never ask; implied without a terminal")
    add_flags(made)
    return made


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code (Pulumi's own table)."""
    options = _parsed(argv)
    from wizard.terminal import Terminal

    interactive = not (options.non_interactive or options.json) and _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
    python = _python()
    terminal = Terminal(interactive=interactive, out=sys.stderr if options.json else sys.stdout, python=python)
    try:
        code, document = _run(options, terminal)
    except KeyboardInterrupt:
        terminal.line()
        terminal.line("interrupted; nothing is half done: run the same command again and it goes on from here")
        code, document = INTERRUPTED, {"ok": False, "error": "interrupted"}
    except SetupError as error:
        terminal.settle()
        _print(error, Terminal(interactive=False, out=sys.stderr, python=python))
        code, document = error.exit_code, _failure(error)
    if options.json:
        print(json.dumps(document, indent=2))
    return code


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    made = parser()
    options = made.parse_args(argv)
    actions = ACTIONS.get(options.command, ())
    if actions and options.action not in actions:
        made.error(f"{options.command} takes one of: {', '.join(actions)}")
    if options.action and not actions:
        made.error(f"{options.command} takes no {options.action!r}")
    return options


def _is_terminal(stream: TextIO | None) -> bool:
    # Python has none for a descriptor that was closed before it started.
    return stream is not None and stream.isatty()


def _python() -> str:
    """How this interpreter is called from here: `python` where that is it, else by its path."""
    if shutil.which("python") == sys.executable:
        return "python"
    path = os.path.relpath(sys.executable)
    return sys.executable if path.startswith(os.pardir) else path


def _run(options: argparse.Namespace, terminal: Terminal) -> tuple[int, dict[str, Any]]:
    from wizard import journey, report

    if options.command == "policy":
        return _policy(options, terminal)
    request, doors = _request(options, terminal)
    terminal.title(f"EONPRO KMS · {options.command} · stack {options.stack}")
    if options.command == "preview":
        planned = journey.preview(request, doors)
        changes = [
            {"op": step.op, "type": step.type, "name": step.name, "changed": list(step.changed)}
            for step in planned.changes
        ]
        return 0, {"ok": True, "stack": options.stack, "changes": changes}
    if options.command == "push":
        delivered = journey.push(request, doors)
        return 0, {
            "ok": True,
            "stack": options.stack,
            "delivered": [{"place": d.place, "state": d.state, "fingerprint": d.fingerprint} for d in delivered],
        }
    if options.command == "verify":
        proofs = journey.verify(request, doors)
        failed = any(proof.state == "failed" for proof in proofs)
        told = [
            {"target": p.target, "state": p.state, "principal": p.principal, "detail": p.detail, "at": p.at}
            for p in proofs
        ]
        return int(failed), {"ok": not failed, "stack": options.stack, "proofs": told}
    if options.command == "access-key":
        change = journey.rotate_access_key if options.action == "rotate" else journey.retire_access_key
        return 0, {"ok": True, "stack": options.stack, "accessKey": change(request, doors)}
    if options.command == "destroy":
        left = journey.destroy(request, doors)
        return 0, {"ok": True, "stack": options.stack, "left": [{"what": what, "why": why} for what, why in left]}
    done = journey.setup(request, doors)
    return int(bool(done.failed)), report.document(done)


def _policy(options: argparse.Namespace, terminal: Terminal) -> tuple[int, dict[str, Any]]:
    """`policy operator`: the document alone on stdout, so that it can be piped into a file."""
    from wizard import operator_policy

    document = operator_policy.for_values(
        {key: getattr(options, key, None) for key in by_key},
        os.environ,
        file=_file(options),
        file_name=str(options.answers or ""),
        saved=_saved(options),
        saved_name=_config_file(options),
        adopt=options.adopt,
    )
    if "Statement" not in document:
        print(
            f"more than one managed policy may hold: {len(document)} documents, each to be attached to the operator",
            file=sys.stderr,
        )
    # Whoever reads it may stop early (`| head`): then this ends as any filter does; nothing is under way.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if not options.json:
        print(json.dumps(document, indent=2))
    return 0, {"ok": True, "policy": document}


def _config_file(options: argparse.Namespace) -> str:
    return f"Pulumi.{options.stack.rsplit('/', 1)[-1]}.yaml"


def _saved(options: argparse.Namespace) -> Settings | None:
    """The settings that the stack's configuration file holds; None where it holds none of the project's."""
    from components.contract import PROJECT, ContractError, Settings
    from wizard import engine_config

    config = engine_config.read(PROJECT_FOLDER / _config_file(options))
    if not any(key.startswith(f"{PROJECT}:") for key in config):
        return None
    try:
        return Settings.from_config(config)
    except ContractError as error:
        raise UsageError(
            f"{_config_file(options)} cannot be used: {error}",
            f"mend it: pulumi config set --stack {options.stack} {PROJECT}:KEY VALUE   or move the file away",
        ) from error


def _file(options: argparse.Namespace) -> dict[str, Any]:
    """The answers file's answers; none without a file."""
    from wizard import answers

    if not options.answers:
        return {}
    try:
        return answers.read_file(options.answers.read_text(), str(options.answers))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the answers file {options.answers} cannot be read: {error}", "ls examples/") from error


def _request(options: argparse.Namespace, terminal: Terminal) -> tuple[Request, Doors]:
    from wizard import answers, aws, vercel, vercel_link
    from wizard.engine import PulumiEngine
    from wizard.journey import Doors, Request
    from wizard.proof import ChildProver

    def engine(environment: Mapping[str, str]) -> PulumiEngine:
        return PulumiEngine(
            PROJECT_FOLDER, environment=environment, tell=terminal.line, policy_pack=PROJECT_FOLDER / "guardrails"
        )

    saved = _saved(options)
    detected: dict[str, answers.Answer] = {}
    token = vercel_link.cli_token()
    if token:
        detected["vercel_token"] = answers.Answer(
            value=token, source=answers.Source.DETECTED, where="the Vercel CLI's login"
        )
    resolved = answers.resolve(
        flags={key: getattr(options, key, None) for key in by_key},
        environ=os.environ,
        file=_file(options),
        file_name=str(options.answers or ""),
        saved=answers.from_settings(saved) if saved else {},
        saved_name=_config_file(options),
        detected=detected,
    )
    doors = Doors(
        talk=terminal,
        connect=lambda profile, region: aws.connect(profile=profile, region=region, environ=os.environ),
        hosting=lambda token: vercel.Vercel(token=token, base_url=os.environ.get("VERCEL_API_URL") or vercel.BASE_URL),
        engine=engine,
        prover=ChildProver(PROJECT_FOLDER),
        linked=vercel_link.detect(Path.cwd()),
    )
    request = Request(
        stack=options.stack,
        answers=resolved,
        saved=saved,
        yes=options.yes,
        confirmed=options.confirm,
        adopt=options.adopt,
    )
    return request, doors


def _print(error: SetupError, terminal: Terminal) -> None:
    if isinstance(error, PreflightFailed):
        terminal.problems(error.problems)
    terminal.error(error)


def _failure(error: SetupError) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ok": False,
        "error": error.message,
        "next": error.hint,
        "exitCode": error.exit_code,
    }
    if isinstance(error, PreflightFailed):
        document["problems"] = [{"what": p.what, "why": p.why, "next": p.next} for p in error.problems]
    if isinstance(error, MissingAnswers):
        document["missing"] = list(error.missing)
    return document


if __name__ == "__main__":
    sys.exit(main())
