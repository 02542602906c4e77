"""Shell completion: what can stand where the cursor is, and the scripts in a real bash, zsh and fish.

Touches a temporary folder, reads the project's schema and botocore's list of Regions, and starts the three shells,
which have to be installed (`apt-get install zsh fish`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from wizard.cli.completion import FILES, NAME, SHELLS, candidates, script
from wizard.cli.parser import ACTIONS, COMMANDS, ONLY, parser
from wizard.core.models.inputs import Input
from wizard.inputs.registry import INPUTS

ROOT = Path(__file__).resolve().parents[3]
LONG = [flag for action in parser()._actions for flag in action.option_strings if flag.startswith("--")]

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
def folder(tmp_path: Path) -> Path:
    """A project with two stacks, and a home with an AWS configuration."""
    settings = "config:\n  aws:region: us-east-1\n  eonpro-kms:accountId: '111122223333'\n"
    (tmp_path / "Pulumi.yaml").write_text("name: eonpro-kms\n")
    (tmp_path / "Pulumi.production.yaml").write_text(settings)
    (tmp_path / "Pulumi.staging.yaml").write_text("encryptionsalt: v1\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    return tmp_path


def completed(folder: Path, *words: str) -> dict[str, str]:
    return dict(candidates((NAME, *words), len(words), environ={"HOME": str(folder)}, folder=folder))


# --- commands, actions, flags ----------------------------------------------------------------------------------------


def test_first_come_the_commands_with_what_they_do(folder: Path) -> None:
    assert list(completed(folder, "")) == list(COMMANDS)
    assert completed(folder, "pus") == {"push": "deliver the escrowed data key again, and offer the redeploy"}


@pytest.mark.parametrize("command", sorted(ACTIONS))
def test_after_a_command_come_its_actions(folder: Path, command: str) -> None:
    assert tuple(completed(folder, command, "")) == ACTIONS[command]
    assert tuple(completed(folder, "--stack", "staging", command, "")) == ACTIONS[command]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ACTIONS])
def test_a_command_gets_every_flag_but_those_of_others(folder: Path, command: str) -> None:
    others = {flag for flag, commands in ONLY.items() if command not in commands}
    assert set(completed(folder, command, "--")) == set(LONG) - others
    assert set(completed(folder, command, "")) == set(LONG) - others


def test_a_flag_is_offered_once_unless_it_adds_to_a_list(folder: Path) -> None:
    offered = completed(folder, "setup", "--region", "us-east-1", "--yes", "--target", "vercel", "--")
    assert not {"--region", "--yes"} & offered.keys()
    assert "--target" in offered


def test_a_value_is_not_taken_for_a_command(folder: Path) -> None:
    assert "setup" in completed(folder, "--stack", "push", "se")
    assert "setup" in completed(folder, "--stack=push", "se")


def test_no_description_is_longer_than_a_line_or_holds_the_variable(folder: Path) -> None:
    notes = completed(folder, "--").values()
    assert all(notes) and max(map(len, notes)) <= 60
    assert not any("EONPRO_" in note for note in notes)


@pytest.mark.parametrize("words", [("push", "again", "x"), ("--nothing", "x"), ("setup", "--trail-bucket", "")])
def test_where_nothing_is_known_nothing_is_offered(folder: Path, words: tuple[str, ...]) -> None:
    assert completed(folder, *words) == {}


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
    assert candidates((NAME, "--profile"), 2, environ=environ, folder=folder) == (("far", ""),)


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


@pytest.mark.parametrize("flag", ["--answers", "--plan", "--save-plan", "--log", "--vercel-token-file"])
def test_files_are_left_to_the_shell(folder: Path, flag: str) -> None:
    assert set(completed(folder, flag, "exa")) == {FILES}
    assert set(completed(folder, f"{flag}=exa")) == {FILES}


@pytest.mark.parametrize("each", INPUTS, ids=lambda each: each.key)
def test_every_value_that_is_offered_is_one_the_input_takes(folder: Path, each: Input) -> None:
    offered = set(completed(folder, each.flag, "")) - {FILES}
    assert [value for value in offered if each.parse(value) is None] == []


# --- quickness -------------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_loaded_and_nobody_is_asked(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom wizard.cli.completion import candidates\n"
        "for flag in ('', '--region', '--profile', '--secret-store', '--stack'):\n"
        "    candidates(['x', flag, ''], 2, environ={}, folder=Path.cwd())\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"boto3", "botocore", "pulumi", "questionary", "rich", "pydantic", "httpx", "yaml", "socket", "asyncio"}
    assert heavy & set(loaded.split()) == set()


def test_a_tab_costs_no_more_than_the_help() -> None:
    def seconds(*arguments: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, check=True)
        return time.perf_counter() - began

    pairs = [(seconds("wizard.cli.completion", "fish", NAME, ""), seconds("wizard", "--help")) for _ in range(5)]
    assert min(tab for tab, _ in pairs) < 1.3 * min(help_ for _, help_ in pairs)


# --- the scripts, in the shells --------------------------------------------------------------------------------------


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in SHELLS])
def shell(request: pytest.FixtureRequest) -> str:
    path = shutil.which(str(request.param))
    assert path
    return path


@pytest.fixture
def loaded(shell: str, tmp_path: Path) -> Path:
    """The script of one shell, in a file, with a command that prints its arguments in the place of the real one."""
    name = Path(shell).name
    told = (
        f"function {NAME}; printf '[%s]' $argv; echo; end\n"
        if name == "fish"
        else f"{NAME}() {{ printf '[%s]' \"$@\"; echo; }}\n"
    )
    file = tmp_path / f"completion.{name}"
    file.write_text(script(name) + told)
    return file


def test_a_script_is_good_shell(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(script(Path(shell).name))
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_of_a_script_is_the_wizard_in_any_folder(shell: str, tmp_path: Path) -> None:
    # Another program's module of the same name lies in that folder.
    (tmp_path / "wizard.py").write_text("raise SystemExit('the wrong one')")
    text = f"{script(Path(shell).name)}\n{NAME} policy nonsense\n"
    done = subprocess.run([shell, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "policy takes one of: operator" in done.stderr


@pytest.fixture
def typed(loaded: Path, shell: str, tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """What the command is given when a line is typed that has a TAB in it."""
    name = Path(shell).name
    (tmp_path / "my answers.yaml").write_text("")
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
    arguments = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[name]
    child = pexpect.spawn(
        shell, arguments, cwd=str(tmp_path), env=environment, encoding="utf-8", timeout=20, dimensions=(40, 200)
    )
    # zsh looks who owns its functions and asks about it; -u does not.
    first = "autoload -Uz compinit; compinit -u -D; " if name == "zsh" else ""
    child.sendline(f"{first}source {loaded}; echo load''ed")
    child.expect("loaded")

    def type_(line: str) -> list[str]:
        child.sendline(f"{line}; echo {'en'}''{'ded'}")
        child.expect(r"\[([^\r\n]*)\]\r?\n.*ended")
        return str(child.match.group(1)).split("][")

    yield type_
    child.close(force=True)


def test_a_shell_completes_what_is_typed(typed: Callable[[str], list[str]]) -> None:
    assert typed(f"{NAME} pre\t") == ["preview"]
    assert typed(f"{NAME} access-key ret\t") == ["access-key", "retire"]
    assert typed(f"{NAME} setup --rotation-p\t 90") == ["setup", "--rotation-period-days", "90"]
    assert typed(f"{NAME} setup --region ap-southeast-7\t") == ["setup", "--region", "ap-southeast-7"]
    assert typed(f"true; {NAME} --secret-store=sec\t") == ["--secret-store=secrets-manager"]
    assert typed(f"{NAME} --target vercel,ec\t") == ["--target", "vercel,ecs"]
    assert typed(f"{NAME} --answers my\t") == ["--answers", "my answers.yaml"]
    assert typed(f"{NAME} --answers=my\t") == ["--answers=my answers.yaml"]
