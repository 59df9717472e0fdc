"""The offline writer: templates over the client's records. The default without an API key, and the fallback with one.

It invents nothing and understands nothing: hints are quoted as a point to raise. Templates are in
`prompts/offline/<language>/<purpose>/<type>.md.j2`; their output is a subject line, a line `---`, and the content.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import time
from dataclasses import fields
from importlib import resources

import babel
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent_service.errors import InvalidOutputError
from agent_service.llm.offline._choosing import choose
from agent_service.llm.offline._due import task_details
from agent_service.llm.offline._facts import FactBook, Selection
from agent_service.llm.offline._showing import show
from agent_service.llm.plain_text import clean, unescape
from agent_service.llm.protocol import DraftBrief, DraftText, Usage

__all__ = ["FALLBACK_LANGUAGE", "LANGUAGES", "MODEL", "PROVIDER", "OfflineWriter"]

PROVIDER = "offline"
MODEL = "offline-templates/1"
FALLBACK_LANGUAGE = "en"
LANGUAGES = ("de", "en", "es", "fr")
SUBJECT_LENGTH = 150


class OfflineWriter:
    """A Writer that asks nobody."""

    def __init__(self) -> None:
        root = resources.files("agent_service.prompts") / "offline"
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(str(root)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )

    async def write(self, brief: DraftBrief, /) -> DraftText:
        """Write one draft, in the brief's language if there are templates for it, else in English."""
        started = time.perf_counter()
        today = brief.context.today or dt.datetime.now(dt.UTC).date()
        locale, notes = _locale_for(brief.language)
        book = FactBook()
        choice = choose(brief, today)
        selection = show(brief, choice, locale, today, book)
        marked = self._render(locale.language, brief, selection)
        subject, content = _parts(FactBook.without_marks(marked))
        if not content:
            raise InvalidOutputError
        if brief.hints and selection.hints:
            notes.append("hints_quoted")
        return DraftText(
            subject=subject,
            content=content,
            language=locale.language,
            provider=PROVIDER,
            model=MODEL,
            details=task_details(brief, choice, today) if brief.draft_type == "task" else {},
            facts=book.used_in(marked),
            notes=tuple(notes),
            usage=Usage(latency_ms=round((time.perf_counter() - started) * 1000)),
        )

    def _render(self, language: str, brief: DraftBrief, selection: Selection) -> str:
        values = {field.name: getattr(selection, field.name) for field in fields(selection)}
        words = self._environment.get_template(f"{language}/_words.md.j2").make_module(values)
        template = self._environment.get_template(f"{language}/{brief.purpose}/{brief.draft_type}.md.j2")
        return template.render(values, w=words)


def _locale_for(tag: str) -> tuple[babel.Locale, list[str]]:
    """The locale to write in: its language is one of ours, its territory as asked (en-GB writes 18 November)."""
    tag = tag.strip().replace("_", "-")
    try:
        locale = babel.Locale.parse(_codes_by_name().get(tag.lower(), tag), sep="-")
    except (ValueError, TypeError, babel.UnknownLocaleError):
        locale = None
    if locale is not None and locale.language in LANGUAGES:
        return locale, []
    return babel.Locale(FALLBACK_LANGUAGE), ["language_unavailable"]


@functools.cache
def _codes_by_name() -> dict[str, str]:
    """CRMs also write "German" or "Deutsch" where a tag belongs."""
    english = babel.Locale(FALLBACK_LANGUAGE)
    names = {english.languages[code].lower(): code for code in LANGUAGES}
    return names | {(babel.Locale(code).language_name or code).lower(): code for code in LANGUAGES}


def _parts(text: str) -> tuple[str, str]:
    subject, _, content = text.partition("\n---\n")
    # clean() is only a cut here: what it removes, show() has removed from every value.
    return clean(unescape(" ".join(subject.split())), limit=SUBJECT_LENGTH), _layout(content)


def _layout(text: str) -> str:
    """Lines of a paragraph become one; list items stay lines; blank lines separate paragraphs and lists."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        items: list[str] = []
        for line in filter(None, (" ".join(line.split()) for line in paragraph.splitlines())):
            if line.startswith("- "):
                items.append(line)
            elif items and not items[-1].startswith("- "):
                items[-1] += f" {line}"
            else:
                items.append(line)
        for item in items:
            is_list = item.startswith("- ")
            if is_list and blocks and blocks[-1].startswith("- "):
                blocks[-1] += f"\n{item}"
            else:
                blocks.append(item)
    return "\n\n".join(blocks)
