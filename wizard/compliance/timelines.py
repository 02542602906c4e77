"""Timelines, of rotations and of retention: a drawing each, and the same as a table.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wizard.compliance.elements import figure, label, pairs, section, svg, table, unknown
from wizard.compliance.markup import Child, Fact, Form, Markup, cite, code, join, tag

_WIDTH = 960
_LEFT = 250
_RIGHT = 930
_ROW = 30
_TOP = 44
_TOP_WITHOUT_NOW = 6


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A line of a timeline: an event, or something that lasts."""

    told: Fact | str
    kind: str
    """Class of its mark; a class ends with a shape: `dot`, `diamond`, `ring`, or `bar`."""
    at: Fact
    until: Fact | None = None
    """Of a bar: when it ends; None where it does not."""


def rotation(report: Fact) -> Markup:
    """The part of the page about rotations and the data key's versions."""
    told = report["rotation"]
    rotations, versions = told["rotations"], told["versions"]
    rows = _events(rotations, versions)
    parts: list[Child] = []
    if told["why"]:
        parts.append(unknown(told["why"]))
    if rotations.is_known:
        parts.append(_how(told))
    if rows:
        drawn = _timeline(
            "rotation-timeline",
            "Timeline of rotations",
            "When the key's material was rotated, when it is next, and when each version of the data key was kept. "
            "The tables below say the same.",
            rows,
            report["madeAt"],
        )
        parts.append(
            figure(
                "Timeline of rotations", drawn, "A rotation of the KMS key changes no ciphertext: no record is touched."
            )
        )
    if rotations.is_known:
        listed = [
            (cite(each["at"], Form.MOMENT), "on demand" if each["onDemand"] else "automatic")
            for each in rotations["rotations"]
        ]
        parts.append(
            table("Rotations of the key's material so far", ("When", "How"), listed)
            if listed
            else tag("p", "The key's material was not rotated yet.")
        )
    if versions.is_known:
        parts.append(_versions(versions))
    return section("rotation", "Rotation", *parts)


def _how(told: Fact) -> Markup:
    rotations, left = told["rotations"], told["onDemandLeft"]
    return pairs(
        ("Automatic rotation", "on" if rotations["enabled"] else "off"),
        ("Days between rotations", rotations["periodDays"]),
        ("The next one", cite(rotations["nextAt"], Form.DAY) if rotations["nextAt"].is_known else "none is due"),
        ("Rotations on demand that are left", left if left.is_known else "not told by AWS"),
        class_="facts",
    )


def _versions(versions: Fact) -> Markup:
    rows = [
        (
            code(each["wrapped"]),
            each["origin"],
            cite(each["keptAt"], Form.MOMENT),
            code(each["sameAs"]),
            code(each["keyArn"]) if each["keyArn"] else join("unknown"),
            "delivered" if each["current"] else "kept",
        )
        for each in versions
    ]
    if not rows:
        return tag("p", "No version of the data key is kept.")
    headings = ("Fingerprint", "Came by", "Kept since", "Same data key as", "Wrapped by", "Role")
    return table("Versions of the wrapped data key; none is ever overwritten", headings, rows)


def _events(rotations: Fact, versions: Fact) -> list[_Row]:
    rows = []
    for each in versions if versions.is_known else ():
        if each["keptAt"].is_known:
            rows.append(_Row(told=each["wrapped"], kind="version dot", at=each["keptAt"]))
    if rotations.is_known:
        for each in rotations["rotations"]:
            on_demand = bool(each["onDemand"])
            told, kind = ("Rotation on demand", "demand diamond") if on_demand else ("Rotation", "automatic dot")
            rows.append(_Row(told=told, kind=kind, at=each["at"]))
        if rotations["nextAt"].is_known:
            rows.append(_Row(told="Next rotation", kind="next ring", at=rotations["nextAt"]))
    return sorted(rows, key=lambda row: row.at.time)


def retention(report: Fact) -> Markup:
    """The part of the page about how long the audit log is kept."""
    told = report["retention"]
    parts: list[Child] = [unknown(told["why"])] if told["why"] else []
    phases = told["phases"]
    if phases:
        rows = [
            _Row(told=each["name"], kind=f"{_kind(index)} bar", at=each["fromDate"], until=each["untilDate"])
            for index, each in enumerate(phases)
        ]
        drawn = _timeline(
            "retention-timeline",
            "Timeline of retention",
            "The life of a log file that is written at the time of the report: in which storage it lies, how long it "
            "is locked, how long it has to be kept. The table below says the same.",
            rows,
            None,
        )
        parts += [
            figure(
                "Timeline of retention",
                drawn,
                "The rule asks that documentation be kept; applying its time to audit logs is common practice.",
            ),
            table(
                "The life of a log file that is written at the time of the report",
                ("Phase", "From day", "Until day", "From", "Until", "Why"),
                [
                    (
                        each["name"],
                        each["fromDay"],
                        each["untilDay"] if each["untilDay"].is_known else "without end",
                        cite(each["fromDate"], Form.DAY),
                        cite(each["untilDate"], Form.DAY) if each["untilDate"].is_known else "without end",
                        each["why"],
                    )
                    for each in phases
                ],
                numbers=frozenset((1, 2)),
            ),
        ]
    about = pairs(
        ("Bucket", code(told["bucket"])),
        ("Days kept", _kept(told)),
        ("Days that are asked for", told["requiredDays"]),
        ("Lock of the objects", told["lock"] if told["lock"].is_known else "none, or unknown"),
        class_="facts",
    )
    return section("retention", "Retention of the audit log", about, *parts)


def _kept(told: Fact) -> Child:
    if told["keptDays"].is_known:
        return told["keptDays"]
    return "without end" if told["phases"] else "unknown"


def _kind(index: int) -> str:
    return ("storage", "archive", "lock", "required")[index % 4]


def _timeline(name: str, title: str, description: str, rows: Sequence[_Row], now: Fact | None) -> Markup:
    times = [row.at.time for row in rows]
    times += [row.until.time for row in rows if row.until is not None and row.until.is_known]
    times += [now.time] if now is not None else []
    first, last = min(times), max(times)
    span = max(last - first, timedelta(days=1))

    def x(when: datetime) -> float:
        return _LEFT + (_RIGHT - _LEFT) * ((when - first) / span)

    top = _TOP if now is not None else _TOP_WITHOUT_NOW
    height = top + _ROW * len(rows) + 10
    drawn: list[Child] = []
    for index, row in enumerate(rows):
        y = top + _ROW * index + _ROW / 2
        drawn += [
            tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="rail"),
            label(_LEFT - 18, y + 4, row.told, class_="row-label", text_anchor="end"),
            *_mark(row, x, y),
        ]
    if now is not None:
        at, end = x(now.time), top + _ROW * len(rows) + 2
        anchor = "end" if at > (_LEFT + _RIGHT) / 2 else "start"
        told = tag(
            "text",
            "this report, ",
            cite(now, Form.DAY, in_drawing=True),
            x=at,
            y=top - 14,
            class_="now",
            text_anchor=anchor,
        )
        drawn += [tag("line", x1=at, x2=at, y1=top - 8, y2=end, class_="now"), told]
    return svg(name, title, description, _WIDTH, height, *drawn)


def _mark(row: _Row, x: Callable[[datetime], float], y: float) -> list[Child]:
    at = x(row.at.time)
    shape = row.kind.split()[-1]
    if shape == "bar":
        ends = row.until is not None and row.until.is_known
        end = x(row.until.time) if ends and row.until is not None else float(_RIGHT)
        bar = tag("rect", x=at, y=y - 9, width=max(end - at, 3.0), height=18, rx=3, class_=row.kind)
        inside = end - at > 150
        where = (end - 8, "end", "in-bar") if inside else (end + 8, "start", "date")
        if not ends or row.until is None:
            return [bar, label(end - 8, y + 4, "without end", class_="in-bar", text_anchor="end")]
        if not inside and end > _RIGHT - 130:
            where = (at - 8, "end", "date")
        return [bar, label(where[0], y + 4, row.until, Form.DAY, class_=where[2], text_anchor=where[1])]
    left = at > (_LEFT + _RIGHT) / 2 + 120
    date = label(
        at - 14 if left else at + 14, y + 4, row.at, Form.DAY, class_="date", text_anchor="end" if left else "start"
    )
    if shape == "diamond":
        mark = tag("path", d=f"M{at:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z", class_=row.kind)
    else:
        mark = tag("circle", cx=at, cy=y, r=6, class_=row.kind)
    return [mark, date]
