"""The product without its laws: what the same histories do to a program that nobody wrote these rules into.

Touches the wizard's modules in the process that it is called in; no test and no run of the product uses it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch


def without_laws() -> None:
    """The guard says yes, all is overwritten, nothing is read back, what is lost is sent again, secrets are logged."""
    from wizard.aws.auth import call_log
    from wizard.aws.data_keys import stored, stores
    from wizard.cli import redaction
    from wizard.data_key import guard
    from wizard.vercel import delivery, variables
    from wizard.vercel.http import Api, Endpoint

    def create(self: Any, name: str, value: str, *, secret: bool, tags: Mapping[str, str], **_: Any) -> bool:
        kind = stores.SECURE if secret else "String"
        self.session.call("ssm", "PutParameter", Name=name, Value=value, Type=kind, Overwrite=True)
        return True

    def upsert(self: Any, batch: Sequence[Mapping[str, Any]]) -> Any:
        path, query = Endpoint.VARIABLES.path(project=self._project.id), {**self._scope, "upsert": "true"}
        return self._api.attempt("POST", path, query=query, content=[*batch])

    def logged(self: Any, method: str, path: str, **named: Any) -> Any:
        logging.getLogger("eonpro.vercel").debug("%s %s, %s", method, path, self._authorization())
        return attempt(self, method, path, **named)

    attempt = Api.attempt
    for where, name, new in (
        (guard.Decision, "is_allowed", property(lambda self: True)),
        (stores.ParameterStore, "create", create),
        (stored, "_reads_back", lambda *_, **__: True),
        (variables.Variables, "create", upsert),
        (delivery, "missing", lambda *_, **__: None),
        (delivery, "_list_again", lambda *_, **__: ()),
        (call_log, "watch_answers", lambda *_, **__: None),
        (call_log, "SENT_ONCE", frozenset()),
        (redaction.Redaction, "__call__", lambda self, text: text),
        (Api, "attempt", logged),
    ):
        patch.object(where, name, new).start()
