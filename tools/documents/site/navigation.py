"""Where each page of the site stands: tutorial, how-to, reference or explanation (Diátaxis).

Reads the names of the files in `docs/`.
"""

from __future__ import annotations

from pathlib import Path

Section = dict[str, str]
"""Title in the navigation to file, from the folder of the project."""

NAVIGATION: dict[str, Section] = {
    "Tutorial": {"Overview": "README.md", "A first onboarding, in the sandbox": "docs/tutorial.md"},
    "How-to": {
        "Set up a real account": "docs/real-account.md",
        "Keep a project of your own": "docs/project.md",
        "Work with a deployed stack": "docs/commands.md",
        "Use plain Pulumi, remove a stack": "docs/pulumi.md",
        "Connect a Next.js application": "docs/application.md",
        "PHI fields in a Python service": "docs/phi.md",
        "Encrypt texts, bytes and files": "docs/phi/encrypt.md",
        "Fields of SQLAlchemy and Django": "docs/phi/adapters.md",
        "Move off a plain column": "docs/phi/migrate.md",
        "Search without plain text": "docs/phi/search.md",
        "Rotate the data key": "docs/phi/rotate.md",
        "Work on the project": ".github/CONTRIBUTING.md",
        "Release a version": "docs/releasing.md",
        "Leave, and keep all": "docs/leaving.md",
        "Report a vulnerability": ".github/SECURITY.md",
    },
    "Reference": {
        "Who may do what": "docs/reference/authorizations.md",
        "Check codes of the doctor": "docs/reference/check-codes.md",
        "Formats of what is stored": "docs/formats.md",
        "Glossary": "docs/GLOSSARY.md",
        "Changelog": "CHANGELOG.md",
    },
    "Explanation": {
        "Architecture": "docs/ARCHITECTURE.md",
        "Decisions": "docs/decisions.md",
        "Reliability": "docs/reliability.md",
        "Threat model": "docs/threat-model.md",
        "What it ran on": "docs/ran-on.md",
        "What else you could take": "docs/comparison.md",
    },
}
"""Every page."""


def named() -> list[str]:
    """Every page that the navigation names, in its order."""
    return [file for section in NAVIGATION.values() for file in section.values()]


def faults(project: Path) -> list[str]:
    """What the navigation lacks, what it has twice, and what it names although it is not there; as sentences."""
    pages = {file.relative_to(project).as_posix() for file in (project / "docs").rglob("*.md")}
    names = named()
    return [
        *(
            f"{page} is not in the navigation: tools/documents/site/navigation.py"
            for page in sorted(pages - set(names))
        ),
        *(f"the navigation names {name}, which is not there" for name in names if not (project / name).is_file()),
        *(f"the navigation names {name} twice" for name in sorted(set(names)) if names.count(name) > 1),
    ]
