"""Documents of `cost --json` as the command makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.wizard.fakes.clients import multi_region, settings
from wizard.commands.cost import document
from wizard.core.cost.drivers import Assumptions, estimate

EVERYTHING = multi_region(
    secret_store="secrets-manager",
    cloudwatch_logs=True,
    documents_key=True,
    document_buckets=("clinic-documents",),
)
ARCHIVED = Assumptions(requests=7, months=24, events=10_000_000)

DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "by the settings": document("production", estimate(settings()), region="us-east-1"),
    "with everything": document("production", estimate(EVERYTHING, ARCHIVED), region="us-east-1"),
}
