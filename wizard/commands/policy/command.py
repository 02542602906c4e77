"""`policy` from the command line to its end: the document alone on standard output, so that it can be piped.

Reads the answers file and the stack's settings; asks no service. Remarks go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wizard.commands.policy import PolicyOptions, auditor, ci, delivery, operator
from wizard.core import json_documents
from wizard.core.next_command import wizard
from wizard.core.run_options import Offline, Result
from wizard.inputs.answers_file import read_answers
from wizard.inputs.registry import by_key

if TYPE_CHECKING:
    from components.policies.documents import Policy
    from wizard.core.required_permissions.resources import Setup

_OTHERS = {"auditor": auditor.policies_of, "delivery": delivery.policies_of}


def run(options: PolicyOptions, offline: Offline) -> Result:
    """Print the policy. Raises SetupError."""
    document = _for_ci(options, offline) if options.action == "ci" else _for_person(options, offline)
    offline.print(json.dumps(document, indent=2))
    return 0, json_documents.policy(document)


def _for_person(options: PolicyOptions, offline: Offline) -> Mapping[str, object]:
    def policies(setup: Setup) -> Mapping[str, Policy]:
        for remark in auditor.remarks(setup) if options.action == "auditor" else ():
            print(remark, file=sys.stderr)
        return _OTHERS[options.action](setup)

    document = operator.for_values(
        offline.run.inputs,
        os.environ,
        file=read_answers(offline.run.answers),
        file_name=str(offline.run.answers or ""),
        saved=offline.saved(),
        saved_name=offline.saved_name,
        adopt=offline.run.adopt,
        with_removal=options.with_removal,
        written=policies if options.action in _OTHERS else None,
        command=wizard("policy", options.action),
    )
    if "Statement" not in document:
        print(
            f"more than one managed policy may hold: {len(document)} documents, each to be attached to the "
            f"{options.action}",
            file=sys.stderr,
        )
    return document


def _for_ci(options: PolicyOptions, offline: Offline) -> Mapping[str, object]:
    saved = offline.saved()
    account = offline.run.inputs["account"] or os.environ.get(by_key["account"].variable)
    account = account or (saved.account_id if saved else None)
    documents = ci.for_repository(options.repository, account_id=account, partition=saved.partition if saved else "aws")
    for line in ci.to_do(str(account)):
        print(line, file=sys.stderr)
    return documents
