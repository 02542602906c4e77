"""The completion scripts of bash, zsh and fish: each defines the command `eonpro-kms` and has the wizard complete it.

Pure: touches nothing but its arguments and the path of this interpreter.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

NAME = "eonpro-kms"
"""The command that the scripts define. Completion for `python` itself would take it away from everything else."""

FILES = "<files>"
"""A candidate that stands for the names of files."""

_PROJECT_FOLDER = Path(__file__).resolve().parent.parent

# Not by a change of folder, which would give every file on the command line another meaning, nor by PYTHONPATH, which
# the engine and the language host would inherit.
_RUN = "import sys; sys.path[0] = sys.argv.pop(1); from wizard.__main__ import main; sys.exit(main())"
_COMPLETE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from wizard.completion import main; main(sys.argv[1:])"

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
    words, folder = program.split(), quoted(str(_PROJECT_FOLDER))
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
