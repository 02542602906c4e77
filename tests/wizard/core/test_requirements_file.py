"""Which requirements.txt is installed unasked: the form that the program writes, and nothing else that pip takes."""

from __future__ import annotations

import pytest

from wizard import SOURCE_FOLDER
from wizard.core.requirements_file import fault

HASH = f"    --hash=sha256:{'0' * 64}"
GOOD = f"boto3==1.44.8 \\\n{HASH}\n"


def test_what_this_version_was_tested_with_can_be_installed() -> None:
    assert fault((SOURCE_FOLDER / "requirements.txt").read_bytes()) == ""


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        f"# a comment\n#\n\n{GOOD}    # via\n    #   moto\n",
        f"moto[events,s3]==5.2.5 ; python_full_version >= '3.11' and (sys_platform == 'linux') \\\n{HASH} \\\n{HASH}",
        "",
    ],
)
def test_packages_with_hashes_and_comments_can_be_installed(text: str) -> None:
    assert fault(text.encode()) == ""


@pytest.mark.parametrize(
    "line",
    [
        *("--index-url https://example.org/simple", "-i https://example.org/simple", "--extra-index-url=https://x.org"),
        *("--find-links wheels", "-f wheels", "-r other.txt", "-c other.txt", "-e .", "--pre", "--no-index", "."),
        *("./evil.whl", "https://example.org/evil-1-py3-none-any.whl", "evil @ https://example.org/evil.whl", "evil"),
        *(f"evil @ file:///evil.whl \\\n{HASH}", "evil==1", f"evil>=1 \\\n{HASH}", f"evil==1.* \\\n{HASH}"),
        f"evil==1 --find-links=wheels \\\n{HASH}",
        f"evil==1 ; python_version > '3' --find-links=wheels \\\n{HASH}",
        f"evil==1 \\\n{HASH} --config-settings=x=y",
        f"evil==1 \\\n{HASH} \\\n    --index-url=https://example.org",
        f"evil==1 \\\n{HASH} \\\n",
        "evil==1 \\",
        "# a comment that goes on \\\n--index-url https://example.org",
        "# a line for pip alone\x0b--index-url https://example.org",
        "# another\x85--index-url https://example.org",
        "# -*- coding: utf-7 -*-\n# +AAo---index-url https://example.org",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_everything_else_is_refused_with_its_line(line: str, first: bool) -> None:
    text = f"{line}\n{GOOD}" if first else f"{GOOD}{line}\n"
    said = fault(text.encode())
    assert said and "\n" not in said


def test_a_line_is_named_with_its_number() -> None:
    said = fault(f"{GOOD}--index-url https://example.org\n".encode())
    assert (
        said
        == "has in line 3 what is not a package with its hashes on the lines below: --index-url https://example.org"
    )


@pytest.mark.parametrize("style", ["", f"||||||| base\n{HASH} \\\n"])
def test_a_merge_conflict_is_called_that(style: str) -> None:
    both = f"<<<<<<< HEAD\n{HASH}\n{style}=======\n{HASH.replace('0', '1')}\n>>>>>>> newer\n"
    assert fault(f"boto3==1.44.8 \\\n{both}".encode()) == "has a merge conflict in line 2"


def test_other_encodings_are_refused() -> None:
    assert fault(GOOD.encode("utf-16")) and fault(b"\xef\xbb\xbf" + GOOD.encode())
