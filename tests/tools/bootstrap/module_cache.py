"""What `go mod download -json` answers in a test: one of the engine's modules, in a cache of read-only files."""

from __future__ import annotations

import json
from pathlib import Path

FREQUENCY = 'package frequency\n\nfunc init() {\n\tLists["English"] = getStringListFromAsset("English")\n}\n'
MATCHING = """package matching

func init() {
\tloadFrequencyList()
}

func loadFrequencyList() {
\tfor n, list := range frequency.Lists {
"""


def download(cache: Path, name: str) -> str:
    """Write the module with its two eager files; returns the answer."""
    folder = cache / name
    for file, text in (("frequency/frequency.go", FREQUENCY), ("matching/matching.go", MATCHING)):
        path = folder / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o444)
    return json.dumps({"Path": name, "Dir": str(folder)})
