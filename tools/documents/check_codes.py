"""`python -m tools.documents.check_codes` writes the page of the check codes from their table."""

from pathlib import Path

from wizard.account.codes import CODES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "check-codes.md"


def documents() -> dict[Path, str]:
    """The page with its text: what stands above its list stays."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition("- `")
    return {PAGE: before + "".join(f"- `{name}`: {meaning}\n" for name, meaning in CODES.items())}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
