"""What a requirements.txt may hold that is installed unasked: packages with their hashes, of the configured index or,
for this program, of its release.

Pure. pip and uv also take options in such a file: another index, another file, an address. So each line is compared
with the one form that this program writes, and everything else is refused.
"""

import re

_PACKAGE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])?==[A-Za-z0-9.!+_-]+"
    # A marker has names, operators and quoted values; no option fits in it.
    r"( ; ((?!--)[A-Za-z0-9_.'\"()<>=!~ -])+)? \\"
)
# The wheel of a release of this program: while no index has it.
_RELEASE = re.compile(r"eonpro-kms @ https?://[A-Za-z0-9._~:/%+-]+/eonpro_kms-[A-Za-z0-9.!+_]+-py3-none-any\.whl \\")
_HASH = re.compile(r"\s+--hash=sha256:[0-9a-f]{64}( \\)?")
_BLANK = re.compile(r"\s*(#(.*[^\\])?)?")
# pip decodes the whole file as a comment in its first two lines says (PEP 263).
_ENCODING = re.compile(r"coding[:=]")


_CONFLICT = re.compile(r"(<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)( .*)?")
"""https://git-scm.com/docs/git-merge#_how_conflicts_are_presented"""


def conflict(text: str) -> str:
    """Where git has left both sides of a merge, as the end of a sentence about a file; empty where it has not."""
    numbers = (number for number, line in enumerate(text.splitlines(), 1) if _CONFLICT.fullmatch(line))
    return next((f"has a merge conflict in line {number}" for number in numbers), "")


def fault(content: bytes) -> str:
    """What is wrong with the file, as the end of a sentence about it; empty where it can be installed."""
    text = content.decode("ascii", errors="replace").replace("\r\n", "\n")
    # At other characters one of pip and uv ends a line, and the other does not.
    if any(character != "\n" and not (character.isascii() and character.isprintable()) for character in text):
        return "has characters other than printable ASCII"
    if _ENCODING.search(text):
        return "names an encoding"
    if both := conflict(text):
        return both
    goes_on = False
    for number, line in enumerate(text.split("\n"), 1):
        if not goes_on and _BLANK.fullmatch(line):
            continue
        if not (_HASH if goes_on else _PACKAGE).fullmatch(line) and (goes_on or not _RELEASE.fullmatch(line)):
            return f"has in line {number} what is not a package with its hashes on the lines below: {line.strip()}"
        goes_on = line.endswith("\\")
    return "ends within a package" if goes_on else ""
