"""The drawing of a stack's architecture, made from the facts.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from wizard.commands.report.html import Child, Fact, Markup, cite, join, svg, tag
from wizard.commands.report.html import label as text
from wizard.targets.port import deploy_target

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
    """(class, what it says); a fact of the class `id` is wrapped."""
    kind: str = "thing"

    @property
    def height(self) -> int:
        return 30 + _LINE * sum(len(_wrapped(what, kind)) for kind, what in self.lines) + 8


_Placed = tuple[float, _Box]
"""Where the top of a box is, and the box."""


def drawing(report: Fact) -> Markup:
    """Left the application, in the middle key and escrow, right the audit."""
    drawn = report["architecture"]
    applications, bottom = _stacked([_application(each) for each in drawn["applications"]])
    keys, below = _stacked([_key(each, drawn["alias"]) for each in drawn["keys"]])
    escrow_box = _escrow(drawn["dataKey"])
    # So low that its line passes under the applications.
    stored_data_key = (max(below + _GAP, bottom + 34 - escrow_box.height / 2), escrow_box)
    audit, ended = _stacked(_audit(drawn["trail"]))
    height = max(bottom, stored_data_key[0] + escrow_box.height, ended) + 24
    frame_x = _COLUMNS[1] - 20
    frame = tag("rect", x=frame_x, y=10, width=_WIDTH - 6 - frame_x, height=height - 18, rx=10, class_="frame")
    lines = [_calls(applications, keys[0]), _variables(stored_data_key, applications), _recorded(keys[0], audit)]
    lines += [_down(upper, lower, _COLUMNS[1]) for upper, lower in zip(keys, keys[1:], strict=False)]
    boxes = [
        _drawn(box, x, y)
        for x, placed in zip(_COLUMNS, (applications, [*keys, stored_data_key], audit), strict=True)
        for y, box in placed
    ]
    return svg(
        "architecture-drawing",
        "Architecture of this stack",
        "On the left the application; in the middle the KMS key and the escrow of the wrapped data key; on the right "
        "the audit trail, its bucket and the alerts. The application unwraps the data key by KMS, and each call is "
        "recorded by the trail.",
        _WIDTH,
        height,
        _arrowhead(),
        frame,
        _frame_label(report),
        *lines,
        *boxes,
    )


def _calls(applications: list[_Placed], key: _Placed) -> Markup:
    """From each application to the key, as one bus."""
    start, bus, end, y = _COLUMNS[0] + _BOX, _COLUMNS[0] + _BOX + 34, _COLUMNS[1], _TOP + 40
    branches = [f"M{start} {top + 40:g}H{bus}V{y}" for top, _ in applications]
    drawn = [tag("path", d=each, class_="arrow") for each in branches]
    label = text(start + 12, y - 9, "unwraps", class_="arrow-label")
    return join(*drawn, _path(f"M{bus} {y}H{end - 3}"), label)


def _variables(stored_data_key: _Placed, applications: list[_Placed]) -> Markup:
    """From the escrow to the last application, from below."""
    y, x = _middle(stored_data_key), _COLUMNS[0] + _BOX / 2
    top, last = applications[-1]
    line = _path(f"M{_COLUMNS[1]} {y:g}H{x:g}V{top + last.height + 3:g}")
    return join(line, text(x + 12, y - 9, "the variables", class_="arrow-label"))


def _recorded(key: _Placed, audit: list[_Placed]) -> Markup:
    """From the key to the trail, and on to where its logs lie; to the alerts by a line of their own."""
    y = _TOP + 40
    to_trail = _path(f"M{_COLUMNS[1] + _BOX} {y}H{_COLUMNS[2] - 3}")
    label = text(_COLUMNS[1] + _BOX + _BETWEEN / 2, y - 9, "each call", class_="arrow-label", text_anchor="middle")
    logs = [placed for placed in audit if placed[1].kind == "audit"]
    lines = [_down(upper, lower, _COLUMNS[2]) for upper, lower in zip(logs, logs[1:], strict=False)]
    alerts = next((placed for placed in audit if placed[1].kind == "alerts"), None)
    if alerts is not None:
        x, half = _COLUMNS[1] + _BOX, _COLUMNS[1] + _BOX + _BETWEEN / 2
        lines.append(_path(f"M{half:g} {y}V{_middle(alerts):g}H{_COLUMNS[2] - 3}"))
        lines.append(text(x + 8, _middle(alerts) - 9, "changes", class_="arrow-label"))
    return join(to_trail, label, *lines)


def _down(upper: _Placed, lower: _Placed, column: int) -> Markup:
    return _path(f"M{column + _BOX / 2:g} {upper[0] + upper[1].height:g}V{lower[0] - 3:g}")


def _application(each: Fact) -> _Box:
    return _Box(
        heading=deploy_target(each["target"].value).title,
        lines=(("id", each["place"]), ("note", "runs as"), ("id", each["principal"])),
        kind="application",
    )


def _key(each: Fact, alias: Fact) -> _Box:
    if each["replica"]:
        return _Box(heading="Replica of the key", lines=(("id", each["region"]),), kind="key")
    return _Box(
        heading="KMS key for PHI",
        lines=(("id", alias), ("id", each["region"]), ("note", "its material never leaves the HSM")),
        kind="key",
    )


def _escrow(data_key: Fact) -> _Box:
    if not data_key:
        return _Box(heading="Escrow", lines=(("note", "no data key, or not readable"),))
    return _Box(
        heading="Escrow of the wrapped key",
        lines=(("note", data_key["store"]), ("id", data_key["name"]), ("id", data_key["fingerprint"])),
    )


def _audit(trail: Fact) -> list[_Box]:
    kind = "made by the stack" if trail["made"] else "there before, and used"
    boxes = [
        _Box(heading="CloudTrail", lines=(("note", kind), ("id", trail["arn"])), kind="audit"),
        _Box(heading="Bucket of the logs", lines=(("id", trail["bucket"]),), kind="audit"),
    ]
    if trail["accessLogBucket"]:
        boxes.append(_Box(heading="Who reads the logs", lines=(("id", trail["accessLogBucket"]),), kind="audit"))
    if trail["alertTopic"]:
        boxes.append(_Box(heading="Alerts", lines=(("id", trail["alertTopic"]),), kind="alerts"))
    return boxes


def _stacked(boxes: Sequence[_Box]) -> tuple[list[_Placed], float]:
    y, placed = float(_TOP), list[_Placed]()
    for box in boxes:
        placed.append((y, box))
        y += box.height + _GAP
    return placed, y - _GAP


def _drawn(box: _Box, x: float, y: float) -> Markup:
    shape = tag("rect", x=x, y=y, width=_BOX, height=box.height, rx=7, class_=f"box {box.kind}")
    lines: list[Child] = [text(x + 14, y + 22, box.heading, class_="heading")]
    down = y + 41
    for kind, what in box.lines:
        parts = _wrapped(what, kind)
        if isinstance(what, Fact):
            spans = "".join(
                f'<tspan x="{x + 14:g}" y="{down + _LINE * i:g}">{escape(part)}</tspan>' for i, part in enumerate(parts)
            )
            lines.append(tag("text", Markup(spans), class_=kind, data_fact=what.pointer))
        else:
            lines.append(text(x + 14, down, what, class_=kind))
        down += _LINE * len(parts)
    return tag("g", shape, *lines)


def _wrapped(what: Fact | str, kind: str) -> list[str]:
    told = what.told() if isinstance(what, Fact) else what
    if kind != "id":
        return [told]
    return [told[start : start + _LETTERS] for start in range(0, len(told), _LETTERS)] or [""]


def _frame_label(report: Fact) -> Markup:
    account = cite(report["account"], in_drawing=True)
    return tag("text", "AWS account ", account, x=_COLUMNS[1], y=38, class_="heading")


def _middle(placed: _Placed) -> float:
    return placed[0] + placed[1].height / 2


def _path(d: str) -> Markup:
    return tag("path", d=d, class_="arrow", marker_end="url(#arrowhead)")


def _arrowhead() -> Markup:
    marker = tag(
        "marker",
        tag("path", d="M0 0L8 4L0 8z"),
        id="arrowhead",
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=7,
        markerHeight=7,
        orient="auto-start-reverse",
    )
    return tag("defs", marker)
