"""The offline writer: what a salesperson would notice, over full, empty and hostile records."""

import asyncio
import copy
import itertools
import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent_service.context import ClientContext
from agent_service.llm.offline import LANGUAGES, OfflineWriter
from agent_service.llm.protocol import DraftBrief, DraftType, Purpose

WRITER = OfflineWriter()
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ALLOWED = {
    "paragraph_open", "paragraph_close", "inline", "text", "text_special", "strong_open", "strong_close", "em_open",
    "em_close", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
}  # fmt: skip
KINDS = list(itertools.product(LANGUAGES, get_args(Purpose), get_args(DraftType)))
HINTS = "mention the new warranty terms"


def write(context, draft_type="email", purpose="follow_up", language="en", **options):
    brief = DraftBrief(
        draft_type=draft_type,
        purpose=purpose,
        language=language,
        context=ClientContext.model_validate(context),
        **options,
    )
    return asyncio.run(WRITER.write(brief))


def tokens_of(markdown):
    tokens = MARKDOWN.parse(markdown)
    return {token.type for token in [*tokens, *(child for token in tokens for child in (token.children or []))]}


@pytest.mark.parametrize(("language", "purpose", "draft_type"), KINDS)
@pytest.mark.parametrize("filled", [True, False], ids=["full", "empty"])
def test_every_template_exists_and_reads_well(context_json, language, purpose, draft_type, filled):
    context = context_json if filled else {"today": "2026-11-23"}
    text = write(context, draft_type, purpose, language, hints=HINTS)
    assert text.language == language
    assert text.subject
    assert "\n" not in text.subject
    assert "warranty terms" in text.content
    assert tokens_of(text.content) <= ALLOWED
    for flaw in ("  ", " ,", " .", "..", "None", "{", "\\", "()", "„“", "“”", "« »", "«»", ",,", "undefined"):
        assert flaw not in text.content, text.content
    assert ("due_at" in text.details) == (draft_type == "task")
    if filled:
        assert "deal" in {fact.kind for fact in text.facts}
        if draft_type == "email":
            assert "contact" in {fact.kind for fact in text.facts}
            assert "Dana" in text.content.splitlines()[0]
            assert text.content.splitlines()[-1] == "Robin Example"


SWITCHES = {
    "last": lambda c: c.update(recentActivities=[]),
    "date": lambda c: c.update(lastInteraction=None),
    "deals": lambda c: c.update(activeDeals=[]),
    "subject": lambda c: [row.update(subject=None) for row in c["recentActivities"]],
    "contact": lambda c: c.update(contacts=[]),
    "user": lambda c: c.update(user=None),
    "close": lambda c: [deal.update(expectedClose=None, amount=None) for deal in c["activeDeals"]],
    "stage": lambda c: [deal.update(stage="lead") for deal in c["activeDeals"]],
    "agreed": lambda c: c["activeDeals"] and c["activeDeals"][0].update(stage="negotiation"),
    "names": lambda c: [deal.update(title=None, product=None) for deal in c["activeDeals"]],
    "who": lambda c: [row.update(contactName="Ines Ferreira") for row in c["recentActivities"]],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_follow_up_mail_is_100_to_150_words_whatever_is_missing(context_json, language):
    lengths = {}
    for off in itertools.chain.from_iterable(itertools.combinations(SWITCHES, n) for n in range(len(SWITCHES) + 1)):
        context = copy.deepcopy(context_json)
        for name in off:
            SWITCHES[name](context)
        lengths[off] = len(write(context, language=language).content.split())
    outside = {off: words for off, words in lengths.items() if not 100 <= words <= 150}
    assert not outside


def test_a_follow_up_says_what_was_exchanged_and_what_is_open(context_json):
    text = write(context_json)
    assert text.content.startswith(
        "Hi Dana,\n\nThank you for your email of November 18 (“Questions about the service level”)."
    )
    assert "“Press line renewal”" in text.content
    assert "Our proposal for “Press line renewal” ($48,250.50) is with you" in text.content
    assert text.content.rstrip().splitlines()[-5].endswith("I will take care of the rest.")
    assert (text.provider, text.model) == ("offline", "offline-templates/1")


def test_the_facts_are_those_that_the_text_shows(context_json):
    text = write(context_json)
    assert {(fact.kind, fact.id[-2:]) for fact in text.facts} == {
        ("activity", "22"), ("contact", "11"), ("deal", "31"), ("deal", "32"),
    }  # fmt: skip
    reminder = write(context_json, purpose="task_reminder")
    assert {(fact.kind, fact.id[-2:]) for fact in reminder.facts} == {
        ("activity", "22"), ("contact", "11"), ("deal", "31"), ("task", "41"),
    }  # fmt: skip


def test_the_asked_contact_and_deal_and_task_win(context_json):
    ids = {"contact_id": 12, "deal_id": 32, "task_id": 42}
    asked = {name: f"7c0f3c5e-0000-4000-8000-0000000000{number}" for name, number in ids.items()}
    text = write(context_json, "email", "deal_update", **asked)
    assert text.subject == "Spare parts frame: where we stand"
    assert text.content.startswith("Hi Luis,")
    assert "“Check the delivery dates”" in write(context_json, "email", "task_reminder", **asked).content
    # The last email was Dana's, not Luis's: he is not thanked for it.
    assert "Thank you" not in text.content
    assert "the email from Dana Whitfield" in text.content


def test_a_meeting_that_may_never_have_been_held_is_nobodys_last_exchange(context_json):
    context_json["recentActivities"] = [
        {"id": "1", "type": "meeting", "status": "scheduled", "occurredAt": "2025-11-01", "subject": "Old plan"},
        {"id": "2", "type": "call", "status": "cancelled", "occurredAt": "2026-11-21", "subject": "Off"},
        {"id": "3", "type": "note", "status": "completed", "occurredAt": "2026-11-22", "subject": "Internal"},
    ]
    content = write(context_json).content
    for word in ("Old plan", "Off", "Internal", "Thank you"):
        assert word not in content


def test_an_old_exchange_is_called_old(context_json):
    context_json["recentActivities"] = [
        {"id": "1", "type": "call", "status": "completed", "occurredAt": "2026-03-05T10:00:00Z", "subject": "Prices"}
    ]
    assert "It has been a while since our call on March 5 (“Prices”)." in write(context_json).content


def test_what_nobody_filled_in_and_long_html_never_get_into_a_draft(context_json):
    row = context_json["recentActivities"][2]
    row["subject"] = "Re: RE: Offer for [Your Name] <img src=x onerror=alert(1)>"
    row["content"] = "<div>" + "secret note " * 500 + "</div>"
    for purpose, draft_type in itertools.product(get_args(Purpose), get_args(DraftType)):
        text = write(context_json, draft_type, purpose)
        whole = text.subject + text.content + str(text.facts)
        for word in ("Your Name", "img", "secret note", "Re:", "RE:"):
            assert word not in whole


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Dana Whitfield", "Hi Dana,"),
        ("Whitfield, Dana", "Hi Dana,"),
        ("Dr. Dana Whitfield", "Hi Dana,"),
        ("Dr. Whitfield", "Hi Dr. Whitfield,"),
        ("N/A", "Hello,"),
        ("[Your Name]", "Hello,"),
        ("", "Hello,"),
        (None, "Hello,"),
        ("*Dana* _W_", "Hi \\*Dana\\*,"),
    ],
)
def test_greetings(context_json, name, greeting):
    context_json["contacts"] = [{"id": "1", "name": name, "isPrimary": True}]
    assert write(context_json).content.splitlines()[0] == greeting


@pytest.mark.parametrize(
    ("amount", "currency", "language", "expected"),
    [
        (48250.5, "USD", "en", "($48,250.50)"),
        (9000, "EUR", "en-GB", "(€9,000)"),
        (9000, "EUR", "de", "(9.000 €)"),
        (9000.0, "JPY", "en", "(¥9,000)"),
        (9000, "nonsense", "en", "(9,000)"),
        (0, "USD", "en", None),
        (-5, "USD", "en", None),
        (None, "USD", "en", None),
    ],
)
def test_money(context_json, amount, currency, language, expected):
    context_json["activeDeals"][0].update(amount=amount, currency=currency)
    content = write(context_json, language=language).content
    if expected is None:
        assert "$" not in content
    else:
        assert expected in content


@pytest.mark.parametrize(
    ("asked", "written", "notes"),
    [
        ("de", "de", ()),
        ("de-AT", "de", ()),
        ("German", "de", ()),
        ("français", "fr", ()),
        ("ja", "en", ("language_unavailable",)),
        ("", "en", ("language_unavailable",)),
        ("no such language", "en", ("language_unavailable",)),
    ],
)
def test_a_language_we_do_not_have_is_written_in_english_and_says_so(context_json, asked, written, notes):
    text = write(context_json, language=asked)
    assert (text.language, text.notes) == (written, notes)


def test_a_territory_decides_how_dates_are_written(context_json):
    assert "18 November" in write(context_json, language="en-GB").content


@pytest.mark.parametrize(
    ("today", "purpose", "due", "priority"),
    [
        ("2026-11-27", "follow_up", "2026-11-30", "high"),  # a Friday, with a task overdue
        ("2026-11-23", "check_in", "2026-11-26", "low"),
        ("2026-12-11", "deal_update", "2026-12-14", "high"),  # closes on Tuesday the 15th
        ("2026-11-23", "deal_update", "2026-11-30", "medium"),
        ("2026-11-23", "custom", "2026-11-24", "medium"),
    ],
)
def test_a_task_is_due_on_a_working_day_with_a_priority(context_json, today, purpose, due, priority):
    context_json["today"] = today
    details = write(context_json, "task", purpose).details
    assert details == {"due_at": f"{due}T09:00:00Z", "priority": priority}


def test_a_reminder_keeps_the_tasks_own_day_and_priority(context_json):
    details = write(context_json, "task", "task_reminder", task_id="7c0f3c5e-0000-4000-8000-000000000042").details
    assert details == {"due_at": "2026-12-01T09:00:00Z", "priority": "medium"}


TEXT = st.none() | st.text(max_size=40) | st.sampled_from(
    ["[Your Name]", "<b>x</b>", "[a](http://evil.example)", "http://evil.example", "- - -", "# h", "a\n\nb",
     "1. x", "`", "---",
     "![i](//evil.example/i.png)", "&lt;a href=x&gt;", "www.evil.example", "\ud800", "|a|b|\n|-|-|"]
)  # fmt: skip
DATE = st.none() | st.dates().map(str) | st.sampled_from(["infinity", "2026-11-18T10:00:00+00:00", "10000-01-01", "x"])
NUMBER = st.none() | st.integers() | st.floats(allow_nan=False) | st.just("12.50")
ANYTHING = st.recursive(TEXT | NUMBER | st.booleans(), lambda inner: st.lists(inner, max_size=2), max_leaves=4)


def rows(**fields):
    return st.none() | st.lists(st.none() | st.fixed_dictionaries({}, optional=fields), max_size=3)


CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "client": st.none() | st.fixed_dictionaries(
            {}, optional={"id": TEXT, "name": TEXT, "company": TEXT, "tags": ANYTHING, "preferredLanguage": TEXT}
        ),
        "contacts": rows(id=TEXT, name=TEXT, email=TEXT, isPrimary=ANYTHING),
        "recentActivities": rows(
            id=TEXT, type=TEXT | st.sampled_from(["email", "call"]), subject=TEXT, content=TEXT, occurredAt=DATE,
            direction=st.sampled_from(["inbound", "outbound", None]), status=TEXT | st.just("completed"),
            contactName=TEXT, dealId=TEXT,
        ),
        "activeDeals": rows(
            id=TEXT, title=TEXT, product=TEXT, stage=TEXT | st.just("proposal"), amount=NUMBER,
            currency=TEXT | st.sampled_from(["USD", "XXX"]), expectedClose=DATE, somethingNew=ANYTHING,
        ),
        "pendingTasks": rows(id=TEXT, title=TEXT, priority=TEXT, dueAt=DATE, overdue=ANYTHING, dealId=TEXT),
        "orderHistory": rows(
            id=TEXT, orderNumber=TEXT, product=TEXT, status=TEXT, total=NUMBER, currency=TEXT, orderedAt=DATE,
        ),
        "contactPreferences": ANYTHING | st.dictionaries(st.text(max_size=20), ANYTHING, max_size=3),
        "lastInteraction": DATE,
        "user": st.none() | st.fixed_dictionaries({}, optional={"id": TEXT, "name": TEXT}),
        "today": st.none() | st.just("2026-11-23") | DATE,
        "omitted": ANYTHING,
    },
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(CONTEXTS, st.sampled_from(KINDS), st.none() | TEXT)
def test_no_record_however_odd_breaks_a_draft_or_gets_anything_active_into_it(context, kind, hints):
    language, purpose, draft_type = kind
    text = write(context, draft_type, purpose, language, hints=hints)
    assert tokens_of(text.content) <= ALLOWED
    whole = f"{text.subject}\n{text.content}"
    assert not re.search(r"\w://|www\.\S|\[Your|[\ue000-\uf8ff\ud800]", whole)
    assert 1 <= len(text.content) <= 20000
    assert 1 <= len(text.subject) <= 300
    assert "\n" not in text.subject
    whole.encode()
