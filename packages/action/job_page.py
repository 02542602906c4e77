"""What a CI job says of a command: the job's summary on GitHub, and one comment on the pull request.

Started by `action.yml`, by the runner's Python, with the standard library alone. Reads the text of the command and the
event's file; writes to GITHUB_STEP_SUMMARY; asks GitHub's API for the comments of one pull request.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SUMMARY_BYTES = 1024 * 1024
"""GitHub takes no longer summary of a step; a longer one is not shown at all."""
COMMENT_UNITS = 65_536
"""GitHub takes no longer comment. Counted in UTF-16, where no character is less than one."""
AUTHOR = "github-actions[bot]"
"""Whose comments are updated: a person's comment with the same mark stays as it is."""
SECONDS = 20.0
PAGES = 30
"""Of comments, 100 on each: in a longer conversation a second comment is made."""
LEFT_OUT = "\n[… left out here: the job's log has all of it …]\n"

Measure = Callable[[str], int]


def utf8(text: str) -> int:
    return len(text.encode())


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def plain(text: str) -> str:
    """The text without colors, and with a mark for each character that moves or hides others."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text).replace("\r\n", "\n")
    return "".join(
        each
        if each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cf", "Co", "Cs")
        else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


def fenced(text: str) -> str:
    """The text as a block of code that nothing in it can end: its fence is longer than every fence in the text."""
    fence = "~" * max(4, 1 + max(map(len, re.findall("~+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}\n"


def cut(text: str, most: int, measure: Measure) -> str:
    """The text where it fits, otherwise its beginning and its end: a plan begins with what matters, findings end so."""
    if measure(text) <= most:
        return text
    half = max(0, most - measure(LEFT_OUT)) // 2
    # No character is shorter than one unit.
    head, tail = text[:half], text[len(text) - half :] if half else ""
    while measure(head) > half:
        head = head[: len(head) - max(1, (measure(head) - half) // 4)]
    while measure(tail) > half:
        tail = tail[max(1, (measure(tail) - half) // 4) :]
    # Whole lines, where they are no single long one.
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    return head.rstrip("\n") + LEFT_OUT + tail


def page(title: str, text: str, *, most: int, measure: Measure, mark: str = "") -> str:
    """The Markdown: the mark, a heading, and the text in a block, at most so long."""
    heading = f"{mark}\n" if mark else ""
    heading += f"### {re.sub(r'[^A-Za-z0-9 ._,:/=@+-]', '', plain(title)).strip()}\n\n"
    text = plain(text).strip("\n") or "(it printed nothing)"
    room = most - measure(heading)
    # The fence grows with the longest one in the text: of what is left after the cut.
    shown = cut(text, room - measure(fenced("")), measure)
    while (longer := measure(fenced(shown)) - room) > 0:
        shown = cut(text, max(0, measure(shown) - longer), measure)
    return heading + fenced(shown)


def mark_of(stack: str, command: str) -> str:
    """The hidden first line of a comment, by which it is found again: of one stack and one command."""
    words = (re.sub(r"[^A-Za-z0-9._/]", "-", word).strip("-") for word in (stack, *command.split()[:2]))
    # Two hyphens would end the comment of HTML in some readers.
    return f"<!-- eonpro-kms: {re.sub('--+', '-', ' '.join(words))} -->"


def comment(mark: str, body: str, *, api: str, repository: str, number: int, token: str) -> str:
    """Write the comment, or over the one that is there; its address. Raises OSError, also for a refusal (HTTPError)."""
    issue = f"{api}/repos/{repository}/issues"
    for index in range(1, PAGES + 1):
        found = _ask(f"{issue}/{number}/comments?per_page=100&page={index}", token)
        for each in found:
            if (each.get("user") or {}).get("login") == AUTHOR and str(each.get("body")).startswith(mark):
                return str(_ask(f"{issue}/comments/{int(each['id'])}", token, "PATCH", {"body": body})["html_url"])
        if len(found) < 100:
            break
    return str(_ask(f"{issue}/{number}/comments", token, "POST", {"body": body})["html_url"])


def _ask(address: str, token: str, method: str = "GET", document: object = None) -> Any:
    request = urllib.request.Request(
        address,
        method=method,
        data=None if document is None else json.dumps(document).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def pull_request(event: Path) -> int | None:
    """The number of the event's pull request; None for an event of another kind."""
    number = (json.loads(event.read_text(encoding="utf-8")).get("pull_request") or {}).get("number")
    return number if isinstance(number, int) else None


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="job_page", allow_abbrev=False)
    parser.add_argument("what", choices=("summary", "comment"))
    parser.add_argument("--title", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("text", type=Path, help="the file with what the command printed")
    given = parser.parse_args(argv)
    text = given.text.read_text(encoding="utf-8", errors="replace") if given.text.exists() else ""
    if given.what == "summary":
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as file:
            file.write(page(given.title, text, most=SUMMARY_BYTES, measure=utf8))
        return 0
    number = pull_request(Path(os.environ["GITHUB_EVENT_PATH"]))
    if number is None:
        print("no comment: this run is not of a pull request")
        return 0
    mark = mark_of(given.stack, given.command)
    body = page(given.title, text, most=COMMENT_UNITS, measure=utf16, mark=mark)
    try:
        written = comment(
            mark,
            body,
            api=os.environ["GITHUB_API_URL"],
            repository=os.environ["GITHUB_REPOSITORY"],
            number=number,
            token=os.environ["GH_TOKEN"],
        )
    except (OSError, ValueError, KeyError) as error:
        # The result is that of the command. A fork's token may not write.
        status = f" ({error.code})" if isinstance(error, urllib.error.HTTPError) else ""
        print(f"::warning::no comment{status}: GitHub did not take it; the job needs `pull-requests: write`")
        return 0
    print(f"the comment: {written}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
