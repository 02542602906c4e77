"""The first question waits for nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from wizard.inputs.registry import by_key
from wizard.terminal.terminal import Terminal

with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
    pipe.send_text(" ")
    pipe.send_text(chr(3))
    terminal = Terminal(interactive=True, out=sys.stderr)
    terminal.title("EONPRO KMS")
    try:
        terminal.ask(by_key["target"].question())
    except KeyboardInterrupt:
        print("\\n".join(sys.modules))
"""
QUIET = """
import sys
from wizard.terminal.terminal import Terminal

terminal = Terminal(interactive=False, out=sys.stderr)
terminal.title("EONPRO KMS")
terminal.table([("a", "b", "c")])
terminal.working("asking AWS")
terminal.settle()
print("\\n".join(sys.modules))
"""
HEAVY = {
    "boto3",
    "botocore",
    "pulumi",
    "pydantic",
    "yaml",
    "httpx",
    "rich",
    "components",
    "cryptography",
}


def loaded(program: str) -> set[str]:
    """The modules that a program has loaded at its end, but for `components.installation`, which is light."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    light = {"components", "components.installation", "components.installation.origin"}
    return set(done.stdout.split()) - light


def test_the_first_question_loads_nothing_heavy() -> None:
    modules = loaded(PROGRAM)
    assert {"questionary", "wizard.terminal.terminal", "wizard.inputs.registry"} <= modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


def test_who_asks_nothing_loads_no_prompts_either() -> None:
    modules = loaded(QUIET)
    assert "wizard.terminal.terminal" in modules
    assert {name.partition(".")[0] for name in modules} & (HEAVY | {"prompt_toolkit", "questionary"}) == set()
