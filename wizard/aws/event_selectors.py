"""Whether a trail's event selectors let the management events of KMS through, reads and writes.

Pure: reads the answer of cloudtrail:GetEventSelectors that it is given.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

KMS = "kms.amazonaws.com"
BOTH = frozenset({"reads", "writes"})
_NONE: frozenset[str] = frozenset()
_OF_BASIC = {"All": BOTH, "ReadOnly": frozenset({"reads"}), "WriteOnly": frozenset({"writes"})}

_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": str.__eq__,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}


def records_kms(answer: Mapping[str, Any]) -> bool:
    """Whether the selectors, taken together, record every management event of KMS.

    A trail without any selector records all management events.
    """
    basic, advanced = answer.get("EventSelectors") or (), answer.get("AdvancedEventSelectors") or ()
    if not basic and not advanced:
        return True
    recorded = _NONE.union(*(_of_basic(one) for one in basic), *(_of_advanced(one) for one in advanced))
    return recorded == BOTH


def _of_basic(selector: Mapping[str, Any]) -> frozenset[str]:
    if not selector.get("IncludeManagementEvents", True) or KMS in (
        selector.get("ExcludeManagementEventSources") or ()
    ):
        return _NONE
    return _OF_BASIC.get(str(selector.get("ReadWriteType") or "All"), _NONE)


def _of_advanced(selector: Mapping[str, Any]) -> frozenset[str]:
    fields = {str(field["Field"]): field for field in selector.get("FieldSelectors") or ()}
    category = fields.pop("eventCategory", {})
    source, read_only = fields.pop("eventSource", {}), fields.pop("readOnly", {})
    # Any other field (eventName, eventType, userIdentity.arn, …) takes some of the events away.
    if fields or "Management" not in (category.get("Equals") or ()) or not _fits(source, KMS):
        return _NONE
    return frozenset(kind for kind, value in (("reads", "true"), ("writes", "false")) if _fits(read_only, value))


def _fits(field: Mapping[str, Any], value: str) -> bool:
    """Whether the value passes every condition of the field; one passes any value of its list."""
    for name, rule in _RULES.items():
        wanted, unwanted = field.get(name), field.get(f"Not{name}")
        if wanted and not any(rule(value, one) for one in wanted):
            return False
        if unwanted and any(rule(value, one) for one in unwanted):
            return False
    return True
