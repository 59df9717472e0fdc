"""What a model may not store, and what a person may not approve before they have mended it."""

from __future__ import annotations

from typing import Any

import pytest

LIVE = [
    "See https://example.com/a", "ftp://example.com", "www.example.com", "Go to WWW.example.com", "[offer](/x)",
    "[offer](https://example.com)", "![logo](x.png)", "[a][b]", "[a] [b]", "[1]: https://example.com", "[1]: /path",
    "<https://example.com>", "<b>bold</b>", "</p>", "<!-- x -->", "<?php", "&#60;b&#62;", "&lt;b&gt;", "&nbsp;",
    "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html;base64,AA", "mailto:a@example.com", "tel:+123",
    "sms:+123", "vbscript:x", "custom+scheme://x",
]  # fmt: skip
HARMLESS = [
    "5 < 6 and 7 > 2", "a/b and/or c", "e.g. this", "R&D", "AT&T & co", "Note: call back", "at 10:30",
    "**bold** and *soft*",
    "1. first\n2. second", "- a list\n- of two", r"\<b\> is text", r"\[a\](b)", "C:\\dir", "data: none yet",
    "tel: 555",
    "100% of it", "(see below)", "[draft] only", "A & B; C", "Fish & Chips; tea", "3:1 odds", "Re: your mail",
    "dana@example.com", "§ 5 a", "x <- y", "I <3 it",
]  # fmt: skip


@pytest.mark.parametrize("text", LIVE)
def test_what_could_be_followed_or_loaded_is_markup(any_world: Any, text: str) -> None:
    assert any_world.value("select agent.has_markup(%s)", f"Hello.\n{text}\nBye.") is True


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_is_none(any_world: Any, text: str) -> None:
    assert any_world.value("select agent.has_markup(%s)", f"Hello.\n{text}\nBye.") is False


def approve(world: Any, content: str, subject: str = "Hello") -> Any:
    """Approve Ada's open draft with this text, or a new one if she has none."""
    draft_id = world.value("select id from public.ai_drafts where status = 'pending'") or world.draft()["id"]
    query = "update public.ai_drafts set content = %s, subject = %s where id = %s returning content_hash"
    shown = world.value(query, content, subject, draft_id)
    return world.person("ada").rpc("approve_draft", p_draft_id=draft_id, p_content_hash=shown)


@pytest.mark.parametrize(
    "content",
    [
        "Regards, [Your Name]", r"Regards, \[Your Name\]", "Dear {{first_name}},", "Lorem ipsum dolor", "TODO: check",
        "The price is TBD.", "XXX will call.", "Write to someone@elsewhere.example", r"[address removed]",
        "Dear [insert name here]",
    ],
)  # fmt: skip
def test_what_is_not_filled_in_is_not_approved(world: Any, refused: Any, content: str) -> None:
    with refused("PT409", "draft_unfinished"):
        approve(world, content)
    with refused("PT409", "draft_unfinished"):
        approve(world, "All well.", subject=content)
    assert world.value("select count(*) from public.ai_drafts where status = 'approved'") == 0


@pytest.mark.parametrize(
    "content",
    ["All well.", "We met [2] times.", "A todo list", "Size XX", "Call me at 10:30 [10]", "braces {like these}"],
)
def test_what_only_looks_like_a_gap_is(world: Any, content: str) -> None:
    approve(world, content)


def test_the_clients_and_ones_own_addresses_are_fine(world: Any, refused: Any) -> None:
    contact = world.value("select email from public.contacts where client_id = %s", world.clients["Acme"])
    own = world.value("select email from auth.users where id = %s", world.users["ada"])
    other = world.value("select email from public.contacts where client_id = %s", world.clients["Bolt"])
    approve(world, f"Copied to {contact.upper()}, from {own}.")
    with refused("PT409", "draft_unfinished") as caught:
        approve(world, f"Copied to {other}.")
    assert other in (caught.value.diag.message_primary or "")
