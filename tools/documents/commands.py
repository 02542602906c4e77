"""`python -m tools.documents.commands` writes the table of commands in docs/reference/commands.md.

Writes that page, between its two marks. A test compares it with the table in `wizard/cli/commands.py`.
"""

from pathlib import Path

from wizard.cli.commands import TABLE, Command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"

BEGIN = "<!-- Every command: written by `python -m tools.documents.commands`. Do not edit it here. -->"
END = "<!-- Every command: the end. -->"


def section() -> str:
    """The table, with its marks around it."""
    lines = [BEGIN, "| command | does | reads | holds the stack's lock | writes |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, TABLE), END])


def _row(command: Command) -> str:
    cells = (f"`{command.name}`", command.help, command.reads, "yes" if command.locks else "", command.writes)
    return f"| {' | '.join(cells)} |"


def page(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{section()}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
