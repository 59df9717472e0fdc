"""What the checks answer: the places in a draft that nothing in the records bears out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["Field", "Grounding", "Kind", "Span"]

Field = Literal["subject", "content"]
Kind = Literal[
    "amount",
    "date",
    "percentage",
    "person",
    "company",
    "product",
    "address",
    "phone",
    "promise",
    "placeholder",
    "link",
]
MOST_SPANS = 200  # as JSON about 20 kB; the column holds 64


@dataclass(frozen=True, slots=True)
class Span:
    """A flagged place: code-point offsets into the field. `blocks`: a person must mend it before it can be approved."""

    field: Field
    start: int
    end: int
    kind: Kind
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Grounding:
    """`score` is the share of the `checked` claims that were found in the records, 1.0 where there are none.

    Placeholders, links and addresses of strangers are flagged and block; the first two are no claims and not counted.
    At most 200 spans are kept, those that block first. codes: what `clean_markdown` took out.
    """

    score: float
    checked: int
    spans: tuple[Span, ...]
    codes: tuple[str, ...] = ()

    def with_codes(self, codes: Iterable[str]) -> Grounding:
        """Return it with the codes of what was taken out of the text before it was checked."""
        return replace(self, codes=tuple(sorted({*self.codes, *codes})))

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored in `ai_drafts.grounding`."""
        flags = [
            {"field": span.field, "start": span.start, "end": span.end, "kind": span.kind, "blocks": span.blocks}
            for span in self.spans
        ]
        return {"score": self.score, "checked": self.checked, "flags": flags, "removed": list(self.codes)}
