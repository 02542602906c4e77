"""A newcomer's first hour: `make demo`, `make wizard` and the README, in a folder with spaces, quotes and Unicode.

Copies the checkout, sets the copy up from the caches of this one, and types every printed command into a fresh login
shell that stands in another folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pytest

from tools.bootstrap.machine import base_python

PROJECT = Path(__file__).resolve().parents[2]
NAME = 'it\'s a "clinic", – Zürich'
SECONDS = 420.0
"""For one command: a busy machine is no failure."""

PROGRAMS = ("eonpro-kms", "eonpro-sandbox", "pulumi", "aws", "make", "python", "python3", "eval")


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A login shell of a person who has just made the checkout: nothing of it is on the PATH."""

    checkout: Path
    elsewhere: Path
    environment: dict[str, str] = field(repr=False)

    def types(self, *lines: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """What these lines print and end with, typed into one new shell, from another folder."""
        return subprocess.run(
            ["bash", "-l"],
            input="\n".join(lines) + "\n",
            cwd=folder or self.elsewhere,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A new checkout, and a person's shell in a folder full of modules that no command may import."""
    root = tmp_path_factory.mktemp("first hour")
    checkout, elsewhere, home = root / NAME, root / "elsewhere", root / "home"
    shutil.copytree(PROJECT, checkout, ignore=_not_of_the_repository)
    _link_caches(checkout)
    for folder in (elsewhere, home):
        folder.mkdir()
    for module in ("json", "wizard", "eonpro_phi", "sandbox", "types", "sitecustomize", "components"):
        (elsewhere / f"{module}.py").write_text("raise SystemExit('imported from the folder of the shell')\n")
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")) or "PROXY" in name.upper()
    }
    downloads = PROJECT / ".cache" / "uv-downloads"
    environment = kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "LANG": "C.UTF-8",
        "PYTHON": base_python(),
        **({"UV_CACHE_DIR": str(downloads)} if downloads.exists() else {}),
    }
    made = Shell(checkout=checkout, elsewhere=elsewhere, environment=environment)
    yield made
    made.types(f"{shlex.quote(str(checkout / '.venv/bin/eonpro-sandbox'))} stop")


def _not_of_the_repository(folder: str, names: list[str]) -> set[str]:
    ignored = {name for name in names if name.startswith(".") or name in ("__pycache__", "node_modules")}
    if Path(folder) == PROJECT:
        ignored |= {"tests", *(name for name in names if name.startswith("Pulumi.") and name != "Pulumi.yaml")}
    return ignored


def _link_caches(checkout: Path) -> None:
    """The engine and the installer of this checkout, which were built and downloaded already."""
    cache = PROJECT / ".cache"
    choice = json.loads((cache / "engine" / "choice.json").read_text())
    (checkout / ".cache" / "engine").mkdir(parents=True)
    if choice["kind"] == "build":
        built = Path(choice["path"]).parent
        shutil.copytree(built, checkout / ".cache" / "engine" / built.name, copy_function=_link)
    else:
        shutil.copy(cache / "engine" / "choice.json", checkout / ".cache" / "engine")
    for installer in cache.glob("uv-[0-9a-f]*"):
        if installer.name != "uv-downloads":
            shutil.copytree(installer, checkout / ".cache" / installer.name, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or another owner.
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def demo(shell: Shell) -> str:
    """What `make demo` prints."""
    done = shell.types("make demo", folder=shell.checkout)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wizard(shell: Shell, demo: str) -> str:
    """What `make wizard` prints in a terminal after `make demo`."""
    return in_terminal(shell, "make wizard ARGS=--yes", expect=0)


def in_terminal(shell: Shell, command: str, *, expect: int) -> str:
    """What a command prints in the checkout, in a terminal; `expect` is its exit code, as `make` passes it on."""
    child = pexpect.spawn(
        "bash", ["-lc", f"cd {shlex.quote(str(shell.checkout))} && {command}"],
        env=shell.environment | {"TERM": "xterm"}, encoding="utf-8", timeout=SECONDS, dimensions=(24, 80),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", str(child.before))
    assert child.exitstatus == expect, printed
    return printed


def printed_commands(text: str) -> list[str]:
    """The lines that are commands: they begin with a program, by its name or by its path."""
    found = []
    for line in (line.strip().removeprefix("next: ") for line in text.splitlines()):
        word = _first_word(line)
        if Path(word).name in PROGRAMS and (line.startswith(("/", "'")) or " " in line) and "=" not in word:
            found.append(line)
    return list(dict.fromkeys(found))


def _first_word(line: str) -> str:
    if line.startswith("eval "):
        # Its quotes are nested.
        return "eval"
    try:
        return shlex.split(line)[0] if line else ""
    except ValueError:
        return ""


def eval_line(text: str) -> str:
    """The line that brings the sandbox into a shell."""
    return next(line for line in printed_commands(text) if line.startswith("eval "))


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["wizard", "demo"])
def test_the_line_for_the_readers_own_shell_is_printed_once_at_the_end(
    command: str, request: pytest.FixtureRequest
) -> None:
    text = request.getfixturevalue(command)
    line = eval_line(text)
    assert text.count(line) == 1 and text.index("Next steps") < text.index(line)


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["wizard", "demo"])
def test_every_printed_command_runs_in_a_fresh_shell_in_the_folder_it_was_printed_in(
    shell: Shell, command: str, request: pytest.FixtureRequest
) -> None:
    text = request.getfixturevalue(command)
    # NAME stands for a value, which the reader puts in its place.
    commands = [line for line in printed_commands(text) if not line.endswith(" stop") and "NAME" not in line.split()]
    assert len(commands) >= 4, text
    for line in commands:
        done = shell.types(eval_line(text), line, folder=shell.checkout)
        # A review ends with 1 where somebody has a right that nobody has accepted.
        assert done.returncode in ((0, 1) if line.endswith(" review") else (0,)), f"{line}\n{done.stdout}"
        assert "command not found" not in done.stdout and "imported from" not in done.stdout


@pytest.mark.thorough
def test_make_wizard_after_make_demo_says_that_it_updates_and_how_to_begin_anew(shell: Shell, wizard: str) -> None:
    before, _, after = wizard.partition("EONPRO KMS · setup")
    assert "to begin anew, delete it and run the same command again:" in before
    assert "production is deployed: what follows is an update of it" in " ".join(after.split())


@pytest.mark.thorough
def test_what_the_tutorial_breaks_is_found_and_repaired_by_the_printed_command(shell: Shell, wizard: str) -> None:
    page = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## 5. Break it")
    breaks, asks = re.findall(r"^\$ (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    broken = shell.types(eval_line(wizard), "eonpro-kms push --redeploy", breaks, asks, folder=shell.checkout)
    assert broken.returncode == 1, broken.stdout
    _, _, wrong = broken.stdout.partition("What is wrong")
    repairs = next(line for line in printed_commands(wrong) if line.startswith("aws "))
    healed = shell.types(eval_line(wizard), repairs, asks, folder=shell.checkout)
    assert healed.returncode == 0 and "✓ healthy" in healed.stdout, healed.stdout


BEGIN, END = "-- begin", "-- end "
README = {
    # Each command of the README and what it ends with: in the checkout, or after the sandbox's line, anywhere.
    "make demo": 0,
    'eval "$(.venv/bin/eonpro-sandbox env)"': 0,
    "eonpro-kms push --redeploy": 0,
    "eonpro-kms status": 0,
    "eonpro-kms doctor": None,
    "aws kms describe-key --key-id alias/eonpro-phi-key": 0,
    ". .venv/bin/activate": 0,
    "eonpro-kms --help": 0,
    "eonpro-kms help inputs": 0,
    "eonpro-kms policy operator": 0,
    "eonpro-kms backup --to s3://BUCKET/KEY": None,
    "eonpro-kms preview --save-answers answers.yaml": 0,
    "export VERCEL_TOKEN=...": 0,
    "eonpro-kms --stack production --answers answers.yaml --yes --non-interactive": 0,
    "eonpro-kms --stack staging --from production": 2,
    "eonpro-kms cost": 0,
    "make setup": 0,
}
ELSEWHERE = {
    # Sign-in needs a browser; these are other people's programs, or take what the rest has made away.
    "aws login", "aws sso login --profile clinic", "make test", "make wizard", "make", "apk add go",
    ".venv/bin/eonpro-sandbox stop", "git clone <this repository> && cd eonpro-kms",
}  # fmt: skip


def readme_commands() -> list[str]:
    """Every command of the README, once, in its order: of the blocks and of the sentences."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    blocks = [
        line.removeprefix("$ ").partition("  #")[0].strip() for line in text.splitlines() if line.startswith("$ ")
    ]
    programs = (*PROGRAMS[:-1], ". .venv", ".venv/bin", "apk")
    inline = [
        code
        for code in re.findall(r"`([^`\n]+)`", text)
        if re.match(rf"(?:{'|'.join(map(re.escape, programs))})(?: |/|$)", code)
    ]
    named = (code for code in inline if "…" not in code and "NAME" not in code)
    return list(dict.fromkeys([*blocks, *named]))


def test_every_command_of_the_readme_is_known_here() -> None:
    assert set(readme_commands()) == README.keys() | ELSEWHERE


def test_the_commands_of_the_readme_run(shell: Shell, demo: str) -> None:
    assert README.keys() <= {*readme_commands()}
    (shell.checkout / "answers.yaml").write_text((shell.checkout / "examples" / "vercel.yaml").read_text())
    # The first was typed for `demo`; each other one is typed where it works, and by a shell that goes on after it.
    commands = [command for command in README if command != "make demo"]
    here = [each for each in commands if ".venv/" in each or "--answers" in each or each.startswith("make")]
    for folder, words in ((shell.checkout, here), (None, [each for each in commands if each not in here])):
        typed = [line for each in words for line in (f"echo; echo '{BEGIN}'", each, f"printf '\\n{END}%s\\n' $?")]
        printed = shell.types(eval_line(demo), *typed, folder=folder).stdout
        parts = [part.partition(f"\n{END}") for part in printed.split(f"\n{BEGIN}\n")[1:]]
        ended = {each: (said, int(code.split()[0])) for each, (said, _, code) in zip(words, parts, strict=True)}
        for command, (said, code) in ended.items():
            assert README[command] in (None, code), f"{command}: {code}\n{said}"
            assert code != 127 and "command not found" not in said and "imported from" not in said, said
