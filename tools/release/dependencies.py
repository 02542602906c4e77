"""The bill of materials (SBOM) of a release: what an installation may bring, with versions and hashes, from `uv.lock`.

Starts uv, which reads the lock and asks no registry.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

EXPORT = ("export", "--frozen", "--offline", "--quiet", "--no-dev", "--all-extras", "--format", "cyclonedx1.5")


def bill_of_materials(source: Path, uv: Path, *, epoch: int) -> str:
    """CycloneDX 1.5 as JSON. Two exports of one lock are equal: uv's own differ in their time and their number."""
    command = [str(uv), *EXPORT, "--preview-features", "sbom-export"]
    done = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    del document["serialNumber"]
    document["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    return json.dumps(document, indent=2) + "\n"
