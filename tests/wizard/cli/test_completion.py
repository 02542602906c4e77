"""Shell completion: the candidates of `eonpro-kms`, and the registration in a real bash, zsh and fish.

Touches a temporary folder, reads the schema of an answers file and botocore's list of Regions, and starts the three
shells, which have to be installed (`apt-get install zsh fish`).
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pexpect
import pytest
from argcomplete.finders import CompletionFinder

from tools.bootstrap.packages import shebang
from wizard.cli.commands import COMMANDS
from wizard.cli.completion import script, tree
from wizard.cli.offline import SHELLS
from wizard.cli.parser import flags_of
from wizard.core.models.inputs import Input
from wizard.core.next_command import SCRIPT
from wizard.inputs.registry import INPUTS

ROOT = Path(__file__).resolve().parents[3]

CONFIG = """\
[default]
region = us-east-1
aws_access_key_id = AKIANOBODYMAYSEE
[profile clinic]
sso_session = clinic
region = eu-central-1
[sso-session clinic]
sso_region = eu-west-1
[profile night shift]
role_arn = arn:aws:iam::111122223333:role/night
"""
CREDENTIALS = "[clinic]\naws_access_key_id = AKIA\n[robot]\naws_access_key_id = AKIA\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two stacks, and a home with an AWS configuration."""
    settings = "config:\n  aws:region: us-east-1\n  eonpro-kms:accountId: '111122223333'\n"
    (tmp_path / "Pulumi.yaml").write_text("name: eonpro-kms\n")
    (tmp_path / "Pulumi.production.yaml").write_text(settings)
    (tmp_path / "Pulumi.staging.yaml").write_text("encryptionsalt: v1\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class _Finder(CompletionFinder):
    def _init_debug_stream(self) -> None:
        """It would take over a descriptor of the test runner."""


def completed(folder: Path, *words: str, environ: dict[str, str] | None = None, shell: str = "fish") -> dict[str, str]:
    """What argcomplete offers for the last word, each with its description as that shell gets it."""
    line, out = shlex.join((SCRIPT, *words)), io.StringIO()
    if words[-1] == "":
        line = line.removesuffix("''")
    variables = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_DFS": "\t"}
    variables |= {"_ARGCOMPLETE_SHELL": shell, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    parser = tree(environ or {"HOME": str(folder)}, folder)
    with patch.dict(os.environ, variables), pytest.raises(SystemExit):
        _Finder()(parser, exit_method=sys.exit, output_stream=out)
    between = ":" if shell == "zsh" else "\t"
    pairs = (each.partition(between) for each in out.getvalue().split("\n") if each)
    return {value.rstrip(): note for value, _, note in pairs}


# --- commands, actions, flags ----------------------------------------------------------------------------------------


def test_first_come_the_commands_with_what_they_do(folder: Path) -> None:
    offered = completed(folder, "")
    assert set(COMMANDS) <= offered.keys()
    assert completed(folder, "re") == {
        name: COMMANDS[name].help for name in ("rehearsal", "review", "report", "restore")
    }


@pytest.mark.parametrize(
    ("command", "actions"),
    [
        ("access-key", {"rotate", "retire"}),
        ("documents", {"encrypt"}),
        ("policy", {"operator", "boundary", "auditor", "delivery", "promotion", "documents", "ci"}),
        ("completion", set(SHELLS)),
    ],
)
def test_after_a_command_come_its_actions(folder: Path, command: str, actions: set[str]) -> None:
    offered = {word for word in completed(folder, command, "") if not word.startswith("-")}
    assert offered == actions


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_gets_the_flags_that_it_takes_and_no_other(folder: Path, command: str) -> None:
    assert completed(folder, command, "--").keys() == {flag for flag in flags_of(command) if flag.startswith("--")}


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "bash"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_comes_with_what_it_is_for(folder: Path, command: str, shell: str) -> None:
    offered = completed(folder, command, "--", shell=shell)
    assert [flag for flag, note in offered.items() if len(note) < 4 or "SUPPRESS" in note] == []


def test_bash_which_shows_no_descriptions_gets_the_flags_alone(folder: Path) -> None:
    assert "--trail-lock" in completed(folder, "setup", "--trail-l", shell="bash")
    assert "SUPPRESS" not in str(completed(folder, "setup", "--", shell="bash"))


def test_a_flag_for_a_secret_says_that_it_names_a_file(folder: Path) -> None:
    notes = completed(folder, "setup", "--")
    assert (
        "file that holds the " in notes["--vercel-token-file"] and "file that holds the " in notes["--passphrase-file"]
    )


def test_without_a_command_the_flags_are_those_of_setup(folder: Path) -> None:
    assert completed(folder, "--").keys() == {"--version", *(each for each in flags_of("setup") if each != "-h")}


# --- live values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--stack", "--confirm", "--from"])
def test_stacks_are_those_with_a_settings_file(folder: Path, flag: str) -> None:
    assert completed(folder, flag, "") == {"production": "us-east-1, 111122223333", "staging": ""}


def test_profiles_are_those_of_both_files_and_no_secret_is_told(folder: Path) -> None:
    assert completed(folder, "--profile", "") == {
        "default": "an access key, us-east-1",
        "clinic": "IAM Identity Center, eu-central-1",
        "night shift": "a role",
        "robot": "an access key",
    }


def test_profiles_are_read_from_where_the_environment_says(folder: Path) -> None:
    (folder / "elsewhere").write_text("[profile far]\n")
    environ = {"HOME": str(folder), "AWS_CONFIG_FILE": str(folder / "elsewhere"), "AWS_SHARED_CREDENTIALS_FILE": "/-"}
    assert completed(folder, "--profile", "", environ=environ) == {"far": ""}


@pytest.mark.parametrize("broken", ["[profile clinic\n", "no section\n", "\x00\xff", "[a]\n[a]\nx\n"])
def test_a_broken_configuration_offers_what_can_be_read(folder: Path, broken: str) -> None:
    (folder / ".aws" / "config").write_bytes(broken.encode("latin-1"))
    assert set(completed(folder, "--profile", "")) == {"clinic", "robot"}


def test_regions_are_told_with_their_names(folder: Path) -> None:
    assert completed(folder, "--region", "eu-central-") == {
        "eu-central-1": "Europe (Frankfurt)",
        "eu-central-2": "Europe (Zurich)",
    }
    assert "--region=us-gov-west-1" in completed(folder, "--region=us-gov")


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("--target", {"vercel", "ecs", "eks"}),
        ("--secret-store", {"parameter-store", "secrets-manager"}),
        ("--trail-lock", {"none", "governance", "compliance"}),
        ("--eks-identity", {"pod-identity", "irsa"}),
        ("--vercel-access", {"oidc", "user"}),
        ("--multi-region", {"yes", "no"}),
        ("--app-principal", {"create"}),
        ("--trail", {"create"}),
        ("--account", {"caller"}),
        ("--administrators", {"caller"}),
        ("--rotation-period-days", {"365"}),
    ],
)
def test_an_input_offers_all_that_is_known_of_its_values(folder: Path, flag: str, values: set[str]) -> None:
    assert set(completed(folder, flag, "")) == values


def test_a_list_goes_on_after_its_comma_and_offers_no_member_twice(folder: Path) -> None:
    assert set(completed(folder, "--target", "vercel,")) == {"vercel,ecs", "vercel,eks"}
    assert set(completed(folder, "--target=ecs,vercel,e")) == {"--target=ecs,vercel,eks"}
    assert "us-west-2,eu-west-1" in completed(folder, "--replica-regions", "us-west-2,eu-w")


@pytest.mark.parametrize("flag", ["--answers", "--plan", "--log", "--vercel-token-file"])
def test_files_are_left_to_the_shell(folder: Path, flag: str) -> None:
    (folder / "example.yaml").write_text("")
    assert set(completed(folder, flag, "exa")) == {"example.yaml"}


@pytest.mark.thorough
@pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.key)
def test_every_value_that_is_offered_is_one_the_input_takes(folder: Path, each: Input) -> None:
    offered = {} if each.secret else completed(folder, "setup", each.flag, "")
    of_choices = {choice.value for choice in each.choices}
    assert [value for value in offered if value not in of_choices and each.parse(value) is None] == []


# --- quickness -------------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_loaded_and_nobody_is_asked(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom wizard.cli.completion import profiles, regions, stacks, tree\n"
        "tree({}, Path.cwd())\nregions()\nprofiles({})\nlist(stacks(Path.cwd()))\n"
        "print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = set(said.split())
    assert {"boto3", "botocore", "pulumi", "questionary", "pydantic", "httpx", "yaml"} & loaded == set()
    of_components = {name.split(".")[1] for name in loaded if name.startswith("components.")}
    assert of_components == {"installation"}


# --- the registration, in the shells ---------------------------------------------------------------------------------


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in SHELLS])
def shell(request: pytest.FixtureRequest) -> str:
    path = shutil.which(str(request.param))
    assert path
    return path


def test_a_registration_is_good_shell(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(script(Path(shell).name))
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def typed(shell: str, tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """What the program is given when a line is typed that has a TAB in it."""
    name = Path(shell).name
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / SCRIPT
    program.write_text(
        f"{shebang(Path(sys.executable))}\nimport os, sys\nsys.path[0] = {str(ROOT)!r}\n"
        "if '_ARGCOMPLETE' not in os.environ:\n"
        "    sys.exit(print(''.join(f'[{word}]' for word in sys.argv[1:])))\n"
        "from wizard.__main__ import main\nmain()\n"
    )
    program.chmod(0o755)
    file = tmp_path / f"completion.{name}"
    file.write_text(script(name))
    (tmp_path / "my answers.yaml").write_text("")
    environment = {"HOME": str(tmp_path), "PATH": f"{programs}:/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
    arguments = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[name]
    child = pexpect.spawn(
        shell, arguments, cwd=str(tmp_path), env=environment, encoding="utf-8", timeout=20, dimensions=(40, 200)
    )
    # zsh looks who owns its functions and asks about it; -u does not.
    first = "autoload -Uz compinit; compinit -u -D; " if name == "zsh" else ""
    child.sendline(f"{first}source {file}; echo load''ed")
    child.expect("loaded")

    def type_(line: str) -> list[str]:
        child.sendline(f"{line}; echo {'en'}''{'ded'}")
        child.expect(r"\[([^\r\n]*)\]\r?\n.*ended")
        return str(child.match.group(1)).split("][")

    yield type_
    child.close(force=True)


def test_a_shell_completes_what_is_typed(typed: Callable[[str], list[str]]) -> None:
    assert typed(f"{SCRIPT} pre\t") == ["preview"]
    assert typed(f"{SCRIPT} access-key ret\t") == ["access-key", "retire"]
    assert typed(f"{SCRIPT} setup --rotation-p\t 90") == ["setup", "--rotation-period-days", "90"]
    assert typed(f"{SCRIPT} setup --region ap-southeast-7\t") == ["setup", "--region", "ap-southeast-7"]
    assert typed(f"{SCRIPT} setup --target vercel,ec\t") == ["setup", "--target", "vercel,ecs"]
    assert typed(f"{SCRIPT} setup --answers my\t") == ["setup", "--answers", "my answers.yaml"]
