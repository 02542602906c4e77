"""Shell completion: what can stand where the cursor is, from the tables and from what is on this machine.

Reads the project's stacks and schema, the AWS configuration files and botocore's list of Regions. Loads no library, for
whoever presses TAB waits for it.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from wizard import PROJECT_FOLDER
from wizard.cli.parser import ACTIONS, COMMANDS, ONLY, parser
from wizard.core.models.inputs import Input, InputType
from wizard.inputs.registry import INPUTS

Candidates = tuple[tuple[str, str], ...]
"""Values, each with its description."""

Pairs = Iterable[tuple[str, str]]

_NOTE = 60
"""Characters of a description at most: it stands beside its value, in one line."""

_INPUTS = {each.flag: each for each in INPUTS}
_STACKS = ("--stack", "--confirm", "--from")
_PARTITIONS = ("aws", "aws-us-gov", "aws-cn")


def candidates(words: Sequence[str], current: int, *, environ: Mapping[str, str], folder: Path) -> Candidates:
    """What the word number `current` can be, given those before it; the first word is the program's name.

    `folder` is the project's. One candidate called FILES leaves the word to the shell, which knows files best.
    """
    word = words[current] if current < len(words) else ""
    flags = {name: action for action in parser()._actions for name in action.option_strings if name.startswith("--")}
    before, given, pending = _read(words[1:current], flags)
    if pending:
        return _matching(word, _values(pending, flags[pending], word, environ, folder))
    name, equals, begun = word.partition("=")
    if equals and name in flags and _takes_value(flags[name]):
        values = _values(name, flags[name], begun, environ, folder)
        return _matching(word, ((value if value == FILES else f"{name}={value}", note) for value, note in values))
    if not before and not word.startswith("-"):
        return _matching(word, COMMANDS.items())
    if len(before) == 1 and not word.startswith("-") and before[0] in ACTIONS:
        return _matching(word, ((action, "") for action in ACTIONS[before[0]]))
    command = before[0] if before else "setup"
    return _matching(
        word,
        (
            (flag, (action.help or "").partition(" [")[0])
            for flag, action in flags.items()
            if command in ONLY.get(flag, (command,)) and (flag not in given or _is_many(flag))
        ),
    )


def _read(words: Sequence[str], flags: Mapping[str, argparse.Action]) -> tuple[list[str], set[str], str | None]:
    """The words that are no flags, the flags, and the flag whose value comes next."""
    before: list[str] = []
    given: set[str] = set()
    pending: str | None = None
    for word in words:
        if pending:
            pending = None
        elif word.startswith("--"):
            name, equals, _ = word.partition("=")
            given.add(name)
            pending = name if name in flags and _takes_value(flags[name]) and not equals else None
        elif not word.startswith("-"):
            before.append(word)
    return before, given, pending


def _takes_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def _is_many(flag: str) -> bool:
    return flag in _INPUTS and _INPUTS[flag].many


def _matching(word: str, found: Pairs) -> Candidates:
    return tuple((value, _short(note)) for value, note in found if value.startswith(word) or value == FILES)


def _short(note: str) -> str:
    note = " ".join(note.split())
    return note if len(note) <= _NOTE else note[: _NOTE - 1].rpartition(" ")[0].rstrip(",;:") + "…"


# --- the values of a flag -------------------------------------------------------------------------------------------


def _values(flag: str, action: argparse.Action, word: str, environ: Mapping[str, str], folder: Path) -> Pairs:
    if flag in _STACKS:
        return stacks(folder)
    each = _INPUTS.get(flag)
    if each is None or each.secret:
        return ((FILES, ""),) if action.metavar == "FILE" else ()
    if not each.many:
        return _of_input(each, environ, folder)
    # What is there already of a list stays as it is, and is not offered again.
    head, comma, _ = word.rpartition(",")
    named = head.split(",")
    return [(head + comma + value, note) for value, note in _of_input(each, environ, folder) if value not in named]


def _of_input(each: Input, environ: Mapping[str, str], folder: Path) -> Pairs:
    if each.key == "profile":
        return profiles(environ)
    if each.key in ("region", "replica_regions"):
        return regions()
    if each.kind is InputType.CONFIRM:
        return (("yes", "default" if each.default else ""), ("no", "default" if each.default is False else ""))
    offered = {choice.value: choice.title for choice in each.choices} | {
        word: _meaning(each, word) for word in each.words
    }
    if not each.words:
        offered = dict.fromkeys(members(each, folder), "") | offered
    if not offered and each.default is not None:
        offered = {str(each.default): ""}
    return [(value, note or ("default" if value == str(each.default) else "")) for value, note in offered.items()]


def _meaning(each: Input, word: str) -> str:
    """What the input's help says of one of its words."""
    found = re.search(rf"`{re.escape(word)}`: ([^;,()]+)", each.help)
    choice = next((choice.title for choice in each.choices if choice.value == word), "")
    return choice or (found[1].strip() if found else "")


def members(each: Input, folder: Path) -> tuple[str, ...]:
    """All that an input takes, where the answers file's schema lists it.

    The rules themselves stand in `components.settings.settings`, which takes ten times as long to load.
    """
    import json

    try:
        schema = json.loads((folder / "schemas" / "answers.schema.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    forms = schema["properties"].get(each.file_key, {}).get("anyOf", ())
    return next((tuple(form["enum"]) for form in forms if "enum" in form), ())


def stacks(folder: Path) -> Iterator[tuple[str, str]]:
    """The stacks that have a settings file in the project's folder, each with its Region and account."""
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        told = (
            re.search(rf"^\s+{key}:\s*['\"]?([\w-]+)", text, re.M) for key in ("aws:region", "eonpro-kms:accountId")
        )
        yield file.name.removeprefix("Pulumi.").removesuffix(".yaml"), ", ".join(found[1] for found in told if found)


def profiles(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The profiles of the AWS configuration files, each with its Region and how it gets credentials."""
    import configparser

    home = Path(environ.get("HOME") or "~").expanduser()
    found: dict[str, str] = {}
    for variable, name in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        file = environ.get(variable)
        read = configparser.RawConfigParser(strict=False, default_section="\0", allow_no_value=True)
        try:
            read.read(Path(file).expanduser() if file else home / ".aws" / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in read.sections():
            kind, _, profile = section.rpartition("profile ")
            if kind or (name == "config" and not section.startswith("profile ") and section != "default"):
                continue  # an sso-session, or services
            values = dict(read.items(section))
            how = next((word for key, word in _WAYS.items() if key in values), "")
            note = ", ".join(part for part in (how, values.get("region") or "") if part)
            found[profile.strip()] = found.get(profile.strip()) or note
    return list(found.items())


_WAYS = {
    "sso_session": "IAM Identity Center",
    "sso_start_url": "IAM Identity Center",
    "role_arn": "a role",
    "credential_process": "a credential process",
    "aws_access_key_id": "an access key",
}
"""How a profile gets credentials, by the key that says so."""


def regions() -> list[tuple[str, str]]:
    """The Regions that botocore knows, with their names. AWS is not asked, and of botocore one small file is read."""
    import json
    from importlib.util import find_spec

    spec = find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        return []
    try:
        file = Path(spec.submodule_search_locations[0]) / "data" / "partitions.json"
        partitions = json.loads(file.read_text(encoding="utf-8"))["partitions"]
    except (OSError, ValueError, KeyError):
        return []
    return [
        (name, str(told.get("description", "")))
        for partition in partitions
        if partition["id"] in _PARTITIONS
        for name, told in sorted(partition["regions"].items())
        if not name.endswith("-global")
    ]


# --- what the scripts call ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    """Print the candidates, one a line. The shell's name comes first.

    Then, for bash, the signs that part words and the line up to the cursor; for the others, its words.
    """
    shell, *rest = arguments
    skipped = 0
    if shell == "bash":
        breaks, line = rest
        words = _split(line)
        # bash replaces only what follows the last such sign.
        skipped = max((words[-1].rfind(sign) + 1 for sign in breaks if sign in "=:"), default=0)
    else:
        words = rest
    for value, note in candidates(words, len(words) - 1, environ=os.environ, folder=PROJECT_FOLDER):
        if value == FILES or shell == "bash":
            print(value if value == FILES else value[skipped:])
        elif shell == "zsh":
            print(value.replace("\\", "\\\\").replace(":", "\\:") + (f":{note}" if note else ""))
        else:
            print(f"{value}\t{note}")


def _split(line: str) -> list[str]:
    """The words of a line that may end in the middle of one, within quotation marks or after a backslash."""
    words, word, quote, begun = [], "", "", False
    characters = iter(line)
    for character in characters:
        if character == "\\" and quote != "'":
            word, begun = word + next(characters, ""), True
        elif quote:
            quote, word = ("", word) if character == quote else (quote, word + character)
        elif character in "'\"":
            quote, begun = character, True
        elif character.isspace():
            if word or begun:
                words.append(word)
            word, begun = "", False
        else:
            word += character
    return [*words, word]


NAME = "eonpro-kms"
"""The command that the scripts define. Completion for `python` itself would take it away from everything else."""

FILES = "<files>"
"""A candidate that stands for the names of files."""


# Not by a change of folder, which would give every file on the command line another meaning, nor by PYTHONPATH, which
# the engine and the language host would inherit.
_RUN = "import sys; sys.path[0] = sys.argv.pop(1); from wizard.cli.main import main; sys.exit(main())"
_COMPLETE = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from wizard.cli.completion import main; main(sys.argv[1:])"
)

_BASH = """\
# Completion of eonpro-kms for bash. In ~/.bashrc:  {load}
{name}() {{ {run} "$@"; }}
_eonpro_kms() {{
  local line IFS=$'\\n'
  COMPREPLY=()
  while read -r line; do
    if [[ $line == '{files}' ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("$(printf '%q' "$line")")
  done < <({complete} bash "$COMP_WORDBREAKS" "${{COMP_LINE:0:COMP_POINT}}" 2>/dev/null)
}}
complete -F _eonpro_kms {name}
"""

_ZSH = """\
# Completion of eonpro-kms for zsh. In ~/.zshrc:  {load}
{name}() {{ {run} "$@" }}
_eonpro_kms() {{
  local -a lines
  lines=("${{(@f)$({complete} zsh "${{(@Q)words[1,CURRENT-1]}}" "${{(Q)PREFIX}}" 2>/dev/null)}}")
  if [[ $lines[1] == '{files}' ]]; then
    compset -P '--[^=]#='
    _files
  elif [[ -n $lines[1] ]]; then
    _describe -V '{name}' lines
  fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
compdef _eonpro_kms {name}
"""

_FISH = """\
# Completion of eonpro-kms for fish. In ~/.config/fish/config.fish:  {load}
function {name} --description 'Set up AWS KMS for EONPRO'
    {run} $argv
end
function __eonpro_kms_complete
    set -l current (commandline -ct)
    set -l lines ({complete} fish (commandline -opc) "$current" 2>/dev/null)
    if test "$lines[1]" = '{files}'
        set -l head (string match -r -- '^--[^=]*=' "$current")
        for path in (__fish_complete_path (string replace -- "$head" '' "$current"))
            echo "$head$path"
        end
    else
        printf '%s\\n' $lines
    end
end
complete -c {name} -f -k -a '(__eonpro_kms_complete)'
"""

SHELLS: tuple[str, ...] = ("bash", "zsh", "fish")


def script(shell: str, *, program: str = "python -m wizard") -> str:
    """The script of one of SHELLS, with this interpreter and this project by their paths. Raises KeyError for another.

    `program` is how the wizard is called in the project's folder, for the line that loads the script.
    """
    text, quoted = _SCRIPTS[shell]
    words, folder = program.split(), quoted(str(PROJECT_FOLDER))
    python = quoted(sys.executable)
    called = " ".join((python, *words[1:]) if words[:1] == ["python"] else words)
    load = f"cd {folder}; and {called} completion fish | source" if shell == "fish" else ""
    return text.format(
        name=NAME,
        files=FILES,
        load=load or f"source <(cd {folder} && {called} completion {shell})",
        run=f"{python} -c {quoted(_RUN)} {folder}",
        # Isolated, so that no variable of Python's makes it slow, or something else.
        complete=f"{python} -I -c {quoted(_COMPLETE)} {folder}",
    )


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "bash": (_BASH, shlex.quote),
    "zsh": (_ZSH, shlex.quote),
    "fish": (_FISH, _fish_quoted),
}


if __name__ == "__main__":
    main(sys.argv[1:])
