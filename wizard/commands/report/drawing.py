"""SVG elements of the report, and the drawing of a stack: the applications, the keys, the data key, the trail.

Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element, tostring

from markupsafe import Markup

from components import settings as contract
from components.settings.arn import Arn
from wizard.account.facts import StackFacts
from wizard.account.judgements import period
from wizard.account.notices import State
from wizard.account.views import Diagnosis, state_of
from wizard.commands.report.document import Fact, Form
from wizard.commands.report.facts import ApplicationFacts, Architecture, DataKeyFacts, RegionKey, TrailDetails
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact, TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.targets.port import all_targets, deploy_targets

Child = Element | Fact | str


def element(name: str, *children: Child | None, **attributes: Any) -> Element:
    """An element. `class_` is `class`, `_` in other names is `-`; an attribute or a child that is None is left out."""
    parent = Element(name, {_name(key): _number(value) for key, value in attributes.items() if value is not None})
    for child in children:
        if isinstance(child, Fact):
            child = cited(child)
        if isinstance(child, Element):
            parent.append(child)
        elif child is not None and len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        elif child is not None:
            parent.text = (parent.text or "") + child
    return parent


def _name(name: str) -> str:
    # SVG's own camelCase names are passed as they are.
    return name.rstrip("_").replace("_", "-")


def _number(value: Any) -> str:
    # A tenth of a pixel: the same text on every machine.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def cited(fact: Fact, form: Form = Form.PLAIN) -> Element:
    return element("tspan", fact.text(form), data_fact=fact.pointer)


def label(x: float, y: float, child: Fact | str, form: Form = Form.PLAIN, **attributes: str) -> Element:
    return element("text", cited(child, form) if isinstance(child, Fact) else child, x=x, y=y, **attributes)


def svg(name: str, title: str, description: str, width: float, height: float, *children: Child) -> Markup:
    """A drawing with a title and a description for screen readers; a table or text next to it has the same data."""
    drawing = element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-description"),
        *children,
        role="img",
        aria_labelledby=f"{name}-title {name}-description",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )
    return Markup(tostring(drawing, encoding="unicode"))


CIPHER = "AES-256-GCM"
"""The cipher of the application's records (`packages/phi`)."""

_STORES: Mapping[contract.SecretStore, str] = {
    contract.SecretStore.PARAMETER_STORE: "Parameter Store",
    contract.SecretStore.SECRETS_MANAGER: "Secrets Manager",
}


def architecture_facts(stack: StackFacts, outputs: contract.Outputs, diagnosis: Diagnosis) -> Architecture:
    """The deployed stack, as it was read."""
    settings, scan = stack.settings, period.scan(stack)
    columns = [column["state"] for table in scan["tables"] for column in table["columns"]] if scan else []
    guarded = state_of("key-deletion-window", diagnosis.notices) is State.GOOD
    return Architecture(
        cipher=CIPHER if "records" in columns else None,
        variables=tuple(settings.delivered_variables),
        applications=tuple(_applications(settings, outputs)),
        alias=outputs.alias_name,
        keys=tuple(
            RegionKey(
                region=Arn.parse(arn).region,
                arn=arn,
                replica=arn != outputs.key_arn,
                state=_state(stack.key if arn == stack.key_arn else stack.replica(arn)),
            )
            for arn in outputs.key_arns
        ),
        administrators=(*settings.administrators, *settings.administrator_patterns),
        deletion_administrators=settings.deletion_administrators,
        deletion_window_days=contract.DELETION_WINDOW_DAYS if guarded else None,
        data_key=_data_key_facts(stack.stored_data_key),
        trail=_trail(settings, outputs, stack.trail),
    )


def _state(key: KeyFact | SetupError | None) -> str | None:
    if isinstance(key, SetupError):
        return None
    return key.state if key else "it does not exist"


def _data_key_facts(stored_data_key: StoredDataKey | SetupError | None) -> DataKeyFacts | None:
    if stored_data_key is None or isinstance(stored_data_key, SetupError):
        return None
    return DataKeyFacts(
        name=stored_data_key.parameter,
        store=_STORES[stored_data_key.store],
        fingerprint=stored_data_key.wrapped.fingerprint,
        version=stored_data_key.version,
        wrapped_by=stored_data_key.key_arn,
    )


def _applications(settings: contract.Settings, outputs: contract.Outputs) -> Iterator[ApplicationFacts]:
    for target in deploy_targets(settings.deploy_targets):
        described = target.describe(settings)
        yield ApplicationFacts(
            target=contract.Target(target.name),
            place=described.place,
            principal=outputs.principal_of(target.name),
            identity=described.identity,
            reads_from=described.reads_from,
        )


def _trail(
    settings: contract.Settings, outputs: contract.Outputs, trail: TrailFact | SetupError | None
) -> TrailDetails:
    own = settings.makes_trail
    fact = trail if isinstance(trail, TrailFact) else None
    return TrailDetails(
        arn=outputs.trail_arn,
        bucket=outputs.trail_bucket,
        is_own=own,
        logging=fact.logging if fact else None,
        encrypted_by="unknown" if fact is None else fact.key_arn or "the default encryption of S3",
        access_log_bucket=settings.names.access_log_bucket if own and settings.access_logging else None,
        log_group=settings.names.log_group if own and settings.cloudwatch_logs else None,
        alert_topic=settings.names.alert_topic if settings.alerts else None,
        alert_emails=len(settings.alert_emails),
    )


PLATFORMS = MappingProxyType({target.name: target.title for target in all_targets()})

_WIDTH = 960
_COLUMNS = (8, 352, 696)
_BOX = 248
_LINE = 17
_LETTERS = 33
"""Letters of a name that fit on a line of a box."""

_GAP = 20
_TOP = 58
_BETWEEN = _COLUMNS[2] - _COLUMNS[1] - _BOX


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A box of the drawing: a heading, and lines below it."""

    heading: str
    lines: tuple[tuple[str, Fact | str], ...]
    """(class, text); a fact of the class `id` is wrapped."""
    kind: str = "thing"

    @property
    def height(self) -> int:
        return 30 + _LINE * sum(len(_wrapped(what, kind)) for kind, what in self.lines) + 8


_PositionedBox = tuple[float, _Box]
"""The top of a box, and the box."""


def architecture(report: Fact) -> Markup:
    """The drawing: on the left the application, in the middle key and data key, on the right the audit trail."""
    drawn = report["architecture"]
    applications, bottom = _stacked([_application(fact) for fact in drawn["applications"]])
    keys, below = _stacked([_key(fact, drawn["alias"]) for fact in drawn["keys"]])
    data_key_box = _data_key(drawn["dataKey"])
    # Low enough that its line passes below the applications.
    data_key = (max(below + _GAP, bottom + 34 - data_key_box.height / 2), data_key_box)
    audit, ended = _stacked(_audit(drawn["trail"]))
    height = max(bottom, data_key[0] + data_key_box.height, ended) + 24
    frame_x = _COLUMNS[1] - 20
    frame = element("rect", x=frame_x, y=10, width=_WIDTH - 6 - frame_x, height=height - 18, rx=10, class_="frame")
    lines = [
        *_calls(applications, keys[0]),
        *_variables(data_key, applications),
        *_recorded(keys[0], audit),
    ]
    lines += [_down(upper, lower, _COLUMNS[1]) for upper, lower in zip(keys, keys[1:], strict=False)]
    boxes = [
        _drawn(box, x, y)
        for x, positioned in zip(_COLUMNS, (applications, [*keys, data_key], audit), strict=True)
        for y, box in positioned
    ]
    return svg(
        "architecture-drawing",
        "Architecture of this stack",
        "On the left the application; in the middle the KMS key and the stored data key; on the right the audit trail, "
        "its bucket and the alerts.",
        _WIDTH,
        height,
        _arrowhead(),
        frame,
        element("text", "AWS account ", report["account"], x=_COLUMNS[1], y=38, class_="heading"),
        *lines,
        *boxes,
    )


def _calls(applications: list[_PositionedBox], key: _PositionedBox) -> list[Element]:
    start, bus, end, y = _COLUMNS[0] + _BOX, _COLUMNS[0] + _BOX + 34, _COLUMNS[1], _TOP + 40
    branches = [f"M{start} {top + 40:g}H{bus}V{y}" for top, _ in applications]
    drawn = [element("path", d=branch, class_="arrow") for branch in branches]
    caption = label(start + 12, y - 9, "unwraps", class_="arrow-label")
    return [*drawn, _path(f"M{bus} {y}H{end - 3}"), caption]


def _variables(data_key: _PositionedBox, applications: list[_PositionedBox]) -> list[Element]:
    """The line from the stored data key to the last application, from below."""
    y, x = _middle(data_key), _COLUMNS[0] + _BOX / 2
    top, last = applications[-1]
    line = _path(f"M{_COLUMNS[1]} {y:g}H{x:g}V{top + last.height + 3:g}")
    return [line, label(x + 12, y - 9, "the variables", class_="arrow-label")]


def _recorded(key: _PositionedBox, audit: list[_PositionedBox]) -> list[Element]:
    """The lines from the key to the trail and its bucket, and to the alerts."""
    y = _TOP + 40
    to_trail = _path(f"M{_COLUMNS[1] + _BOX} {y}H{_COLUMNS[2] - 3}")
    caption = label(_COLUMNS[1] + _BOX + _BETWEEN / 2, y - 9, "each call", class_="arrow-label", text_anchor="middle")
    logs = [positioned for positioned in audit if positioned[1].kind == "audit"]
    lines = [_down(upper, lower, _COLUMNS[2]) for upper, lower in zip(logs, logs[1:], strict=False)]
    alerts = next((positioned for positioned in audit if positioned[1].kind == "alerts"), None)
    if alerts is not None:
        # To the right, so that its name has room between the boxes and the line.
        x = _COLUMNS[2] - 22
        lines.append(_path(f"M{x} {y}V{_middle(alerts):g}H{_COLUMNS[2] - 3}"))
        lines.append(label(x - 7, _middle(alerts) + 4, "changes", class_="arrow-label", text_anchor="end"))
    return [to_trail, caption, *lines]


def _down(upper: _PositionedBox, lower: _PositionedBox, column: int) -> Element:
    return _path(f"M{column + _BOX / 2:g} {upper[0] + upper[1].height:g}V{lower[0] - 3:g}")


def _application(application: Fact) -> _Box:
    return _Box(
        heading=PLATFORMS[application["target"].value],
        lines=(("id", application["place"]), ("note", "runs as"), ("id", application["principal"])),
        kind="application",
    )


def _key(key: Fact, alias: Fact) -> _Box:
    if key["replica"]:
        return _Box(heading="Replica of the key", lines=(("id", key["region"]),), kind="key")
    return _Box(
        heading="KMS key for PHI",
        lines=(("id", alias), ("id", key["region"])),
        kind="key",
    )


def _data_key(data_key: Fact) -> _Box:
    if not data_key:
        return _Box(heading="Stored data key", lines=(("note", "none, or not readable"),))
    return _Box(
        heading="Stored data key (wrapped)",
        lines=(("note", data_key["store"]), ("id", data_key["name"]), ("id", data_key["fingerprint"])),
    )


def _audit(trail: Fact) -> list[_Box]:
    kind = "created by the stack" if trail["isOwn"] else "an existing trail"
    boxes = [
        _Box(heading="CloudTrail", lines=(("note", kind), ("id", trail["arn"])), kind="audit"),
        _Box(heading="Bucket of the audit logs", lines=(("id", trail["bucket"]),), kind="audit"),
    ]
    if trail["accessLogBucket"]:
        boxes.append(_Box(heading="Server access logs", lines=(("id", trail["accessLogBucket"]),), kind="audit"))
    if trail["alertTopic"]:
        boxes.append(_Box(heading="Alerts", lines=(("id", trail["alertTopic"]),), kind="alerts"))
    return boxes


def _stacked(boxes: Sequence[_Box]) -> tuple[list[_PositionedBox], float]:
    y, positioned = float(_TOP), list[_PositionedBox]()
    for box in boxes:
        positioned.append((y, box))
        y += box.height + _GAP
    return positioned, y - _GAP


def _drawn(box: _Box, x: float, y: float) -> Element:
    shape = element("rect", x=x, y=y, width=_BOX, height=box.height, rx=7, class_=f"box {box.kind}")
    lines = [label(x + 14, y + 22, box.heading, class_="heading")]
    down = y + 41
    for kind, what in box.lines:
        parts = _wrapped(what, kind)
        if isinstance(what, Fact):
            spans = [element("tspan", part, x=x + 14, y=down + _LINE * i) for i, part in enumerate(parts)]
            lines.append(element("text", *spans, class_=kind, data_fact=what.pointer))
        else:
            lines.append(label(x + 14, down, what, class_=kind))
        down += _LINE * len(parts)
    return element("g", shape, *lines)


def _wrapped(what: Fact | str, kind: str) -> list[str]:
    words = what.text() if isinstance(what, Fact) else what
    if kind != "id":
        return [words]
    return [words[start : start + _LETTERS] for start in range(0, len(words), _LETTERS)] or [""]


def _middle(positioned: _PositionedBox) -> float:
    return positioned[0] + positioned[1].height / 2


def _path(d: str) -> Element:
    return element("path", d=d, class_="arrow", marker_end="url(#arrowhead)")


def _arrowhead() -> Element:
    marker = element(
        "marker",
        element("path", d="M0 0L8 4L0 8z"),
        id="arrowhead",
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=7,
        markerHeight=7,
        orient="auto-start-reverse",
    )
    return element("defs", marker)
