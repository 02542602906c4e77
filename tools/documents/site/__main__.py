"""`python -m tools.documents.site` makes the site of the documentation in `.artefacts/site/`, and checks every link.

Starts Zensical in its own environment (`make docs` installs it), which asks no network; writes `.cache/site/`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tools.bootstrap.machine import put_in_place
from tools.bootstrap.places import CACHE, PROJECT, NotSetUp, tool
from tools.documents.site import navigation
from tools.documents.site.pages import Pages, place

SITE = PROJECT / ".artefacts" / "site"


def configuration(project: Path) -> str:
    """The generator's configuration: zensical.toml with the navigation in it. A string of JSON is one of TOML, too."""
    sections = [
        (title, [f"{{ {json.dumps(name)} = {json.dumps(place(file))} }}" for name, file in section.items()])
        for title, section in navigation.NAVIGATION.items()
    ]
    nav = ",\n".join(f"  {{ {json.dumps(title)} = [{', '.join(pages)}] }}" for title, pages in sections)
    head, table, rest = (
        Path(__file__).with_name("zensical.toml").read_text(encoding="utf-8").partition("\n[project.theme]")
    )
    return f"{head}nav = [\n{nav}\n]\n{table}{rest}"


def build(project: Path, python: Path, work: Path) -> list[str]:
    """Build the site into `work/site`; what is wrong with it, as sentences. `python` is that of the generator."""
    found = navigation.faults(project)
    if found:
        return found
    shutil.rmtree(work, ignore_errors=True)
    pages = Pages(project=project, into=work / "pages")
    pages.write(navigation.named())
    (work / "zensical.toml").write_text(configuration(project), encoding="utf-8")
    done = subprocess.run(
        [str(python), "-m", "zensical", "build", "--strict", "--clean"],
        cwd=work,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        return [*pages.faults, done.stdout.partition("Traceback")[0].rstrip()]
    return pages.faults


def main() -> int:
    """Build and check; the exit code: 1 for a site that has a fault, which then stays as it was."""
    try:
        python = tool("docs")
    except NotSetUp as missing:
        print(missing, file=sys.stderr)
        return 1
    work = CACHE / "site"
    found = build(PROJECT, python, work)
    if found:
        print("\n".join([*found, f"The site has {len(found)} faults."]), file=sys.stderr)
        return 1
    SITE.parent.mkdir(exist_ok=True)
    put_in_place(work / "site", SITE)
    count = sum(1 for _ in SITE.rglob("*.html"))
    look = shlex.join(("python3", "-m", "http.server", "--directory", str(SITE), "8000"))
    print(f"{SITE.relative_to(PROJECT)}: {count} pages. To look at it: {look}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
