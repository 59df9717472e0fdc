"""Reads the labelled drafts and measures the checks against them."""

import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agent_service.context import ClientContext
from agent_service.grounding import ground
from agent_service.llm.protocol import DraftText

FOLDER = Path(__file__).parent / "labelled"
CONTEXTS = json.loads((FOLDER / "contexts.json").read_text(encoding="utf-8"))
MARK = re.compile("⟦(\\w+):([^⟧]*)⟧")
NUMBERS = {"amount", "percentage"}
NAMES = {"person", "company", "product"}


@dataclass(frozen=True)
class Labelled:
    id: str
    context: ClientContext
    hints: str | None
    draft: DraftText
    planted: list  # (field, start, end, kind)

    def ground(self):
        return ground(
            self.draft,
            self.context,
            hints=self.hints,
            today=self.context.today,
            user_name=self.context.user.name,
        )


def load(name):
    rows = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["draft"]
    return [_read(row) for row in rows]


def _read(row):
    subject, in_subject = _unmark("subject", row["subject"])
    content, in_content = _unmark("content", row["content"].strip())
    context = ClientContext.model_validate(CONTEXTS[row["context"]])
    draft = DraftText(subject=subject, content=content, language=row["id"][:2], provider="", model="")
    return Labelled(row["id"], context, row.get("hints"), draft, in_subject + in_content)


def _unmark(field, marked):
    text, spans, at = "", [], 0
    for match in MARK.finditer(marked):
        text += marked[at : match.start()]
        spans.append((field, len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        at = match.end()
    return text + marked[at:], spans


def family(kind):
    return "number" if kind in NUMBERS else "name" if kind in NAMES else kind


@dataclass
class Figures:
    """What was planted and found, by family; what was flagged and not planted; how much was looked at."""

    planted: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    right_kind: int = 0
    false: list = field(default_factory=list)
    missed: list = field(default_factory=list)
    checked: int = 0
    clean: int = 0
    clean_with_false: int = 0

    def recall(self, name):
        return self.found[name] / self.planted[name] if self.planted[name] else 1.0

    def false_rate(self):
        return len(self.false) / self.checked

    def table(self, title):
        lines = [f"{title}: {self.clean} clean drafts, {sum(self.planted.values())} planted faults"]
        lines += [
            f"  {name:<12} {self.found[name]:>3} of {n:<3} {self.recall(name):.3f}"
            for name, n in sorted(self.planted.items())
        ]
        lines.append(f"  false flags  {len(self.false)} of {self.checked} claims = {self.false_rate():.3f}")
        lines.append(f"  clean drafts with a false flag: {self.clean_with_false} of {self.clean}")
        lines.append(f"  exact kind of a name: {self.right_kind} of {self.found['name']}")
        return "\n".join(lines)


def measure(rows):
    figures = Figures()
    for row in rows:
        grounding = row.ground()
        figures.checked += grounding.checked
        flags = set(grounding.spans)
        for label in row.planted:
            hits = {flag for flag in flags if _covers(flag, label)}
            name = family(label[3])
            figures.planted[name] += 1
            figures.found[name] += bool(hits)
            figures.right_kind += name == "name" and any(hit.kind == label[3] for hit in hits)
            if not hits:
                figures.missed.append((row.id, label[3], _text(row, *label[:3])))
        wrong = [flag for flag in flags if not any(_overlaps(flag, label) for label in row.planted)]
        figures.false += [(row.id, flag.kind, _text(row, flag.field, flag.start, flag.end)) for flag in wrong]
        if not row.planted:
            figures.clean += 1
            figures.clean_with_false += bool(wrong)
    return figures


def _text(row, field, start, end):
    return getattr(row.draft, field)[start:end]


def _overlap(flag, label):
    return min(flag.end, label[2]) - max(flag.start, label[1]) if flag.field == label[0] else 0


def _overlaps(flag, label):
    return _overlap(flag, label) > 0


def _covers(flag, label):
    """Found is: of the same family, and at least half of what was planted."""
    return family(flag.kind) == family(label[3]) and 2 * _overlap(flag, label) >= label[2] - label[1]
