"""KMS: the names of keys.

May touch KMS at the endpoint of the region it is handed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.plugins.provider.endpoint import Region
from sandbox.plugins.provider.errors import found
from sandbox.plugins.provider.kind import Kind
from sandbox.plugins.provider.values import Properties

_GONE = "NotFoundException"


class Alias(Kind):
    """A name for a key; its id is the name."""

    token = "aws:kms/alias:Alias"
    what = "KMS Alias"
    force_new = frozenset({"name", "namePrefix"})
    name_input = "name"
    name_prefix = "alias/"
    name_limit = 256

    def problems(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Names that KMS keeps for itself or does not take."""
        name = inputs.get("name", "alias/x")
        if not name.startswith("alias/") or name.startswith("alias/aws/"):
            yield "name", f'name must begin with "alias/" and not "alias/aws/", got "{name}"'

    def create(self, region: Region, inputs: Properties) -> str:
        """Point a new name to the key."""
        region.kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The alias, found in the region's list: KMS describes no single one."""
        for page in region.kms.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == ident:
                    target = alias.get("TargetKeyId")
                    return {
                        "arn": alias["AliasArn"],
                        "name": ident,
                        "targetKeyId": target,
                        "targetKeyArn": alias["AliasArn"].replace(f":{ident}", f":key/{target}"),
                    }
        return None

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Point the name to another key."""
        region.kms.update_alias(AliasName=ident, TargetKeyId=new["targetKeyId"])

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the name; the key stays."""
        found(lambda: region.kms.delete_alias(AliasName=ident), _GONE)

    def same(self, name: str, old: Any, new: Any) -> bool:
        """A key's id and its ARN name the same key."""
        if name == "targetKeyId" and isinstance(old, str) and isinstance(new, str):
            return old.rsplit("key/", 1)[-1] == new.rsplit("key/", 1)[-1]
        return super().same(name, old, new)


KINDS = (Alias,)
