"""Mails of the offline writer go to clients: nothing that only we know may be in them."""

import asyncio
import copy
import datetime as dt
import itertools
import re
from typing import get_args

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from agent_service.context import ClientContext
from agent_service.llm.offline import LANGUAGES, OfflineWriter
from agent_service.llm.offline._choosing import choose
from agent_service.llm.offline._facts import FactBook
from agent_service.llm.offline._showing import show
from agent_service.llm.protocol import DraftBrief, DraftType, Purpose

WRITER = OfflineWriter()
STAGES = ("lead", "qualified", "proposal", "negotiation", "Discovery call", None)
OFFERED = ("proposal", "negotiation")
MAILS = list(itertools.product(LANGUAGES, get_args(Purpose), STAGES))
# What no client should read. "Our proposal" and "an agreement" are theirs too; the names of stages are not.
OURS = {
    "en": r"\bstages?\b|\bleads?\b|qualif|negotiat|pipeline|early|first talks|discovery|overdue|\bdue\b|working towards"
    r"|my list|\bCRM\b|on file",
    "de": r"phase|qualif|bedarfskl|erste gespräche|verhandl|discovery|volumen|fällig|angestrebt|meiner liste|\bCRM\b"
    r"|nachfass|der Stand:",
    "fr": r"\bstade|\bphase|étape suivante|étape :|qualif|négoc|premiers échanges|discovery|retard|date visée|ma liste"
    r"|\bCRM\b|échu",
    "es": r"\bfases?\b|calific|cualific|negoci|primeros contactos|discovery|venc|fecha prevista|mi lista|\bCRM\b",
}
TIMING = {
    "en": ("date in mind", "What timing", "Which date"),
    "de": ("Termin im Blick", "Welchen Zeitplan", "Welcher Termin"),
    "fr": ("date en vue", "quelle échéance", "Quelle date"),
    "es": ("fecha en mente", "Para cuándo", "Qué fecha"),
}


def write(context, language, purpose, draft_type="email", **options):
    model = ClientContext.model_validate(context)
    brief = DraftBrief(draft_type=draft_type, purpose=purpose, language=language, context=model, **options)
    return asyncio.run(WRITER.write(brief))


def at_stage(context, stage, **changes):
    context = copy.deepcopy(context)
    for deal in context["activeDeals"]:
        deal.update(stage=stage, **changes)
    return context


def shown(text):
    return f"{text.subject}\n{text.content}"


@pytest.mark.parametrize(("language", "purpose", "stage"), MAILS)
def test_no_mail_speaks_of_stages_forecasts_or_tasks(context_json, language, purpose, stage):
    # 29 and 27 are in no other date or amount of these records.
    context = at_stage(context_json, stage, expectedClose="2027-07-29")
    context["pendingTasks"][0]["dueAt"] = "2026-10-27T09:00:00+00:00"
    text = write(context, language, purpose)
    assert not re.findall(OURS[language], shown(text), re.IGNORECASE)
    assert not re.findall("29|27", shown(text))
    assert "Check the delivery dates" not in shown(text)
    named = "Send the revised offer" in text.content
    assert named == (purpose == "task_reminder")
    assert ("task" in {fact.kind for fact in text.facts}) == named


@pytest.mark.parametrize(("language", "purpose", "stage"), MAILS)
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_a_client_reads_the_amounts_of_our_offers_and_no_estimates(context_json, language, purpose, stage, named):
    changes = {} if named else {"title": None, "product": None}
    text = shown(write(at_stage(context_json, stage, amount=77123, **changes), language, purpose))
    assert bool(re.search(r"77.?123", text)) == (stage in OFFERED)
    assert ("Press line renewal" in text) == named
    assert not re.search(r"9.000", text)


@pytest.mark.parametrize(("language", "stage"), list(itertools.product(LANGUAGES, STAGES)))
@pytest.mark.parametrize("close", ["2026-01-02", "2026-12-15", None], ids=["past", "ahead", "unknown"])
@pytest.mark.parametrize("purpose", ["follow_up", "deal_update", "custom"])
def test_a_mail_about_a_deal_asks_for_the_clients_timing(context_json, language, stage, close, purpose):
    content = write(at_stage(context_json, stage, expectedClose=close), language, purpose).content
    asked = [question for question in TIMING[language] if question in content]
    assert asked == [TIMING[language][OFFERED.index(stage) + 1 if stage in OFFERED else 0]]


def test_the_sentences_by_stage(context_json):
    def says(stage):
        return write(at_stage(context_json, stage), "en", "follow_up").content

    for stage in ("lead", "qualified", None, "Discovery call"):
        assert "I would like to hear where you stand with “Press line renewal”." in says(stage)
    assert "Our proposal for “Press line renewal” ($48,250.50) is with you" in says("proposal")
    assert "We are close to an agreement on “Press line renewal” ($48,250.50)." in says("Negotiation")


@pytest.mark.parametrize(("language", "day"), [("en", "December 1"), ("de", "1. Dezember"), ("es", "1 de diciembre")])
def test_a_reminder_names_the_one_task_it_is_about_and_a_day_still_ahead(context_json, language, day):
    text = write(context_json, language, "task_reminder", task_id="7c0f3c5e-0000-4000-8000-000000000042")
    assert text.subject.endswith(": Check the delivery dates")
    assert day in text.content
    assert "Send the revised offer" not in shown(text)


def test_what_only_we_know_is_out_of_reach_of_every_mails_template(context_json):
    def selected(draft_type):
        brief = DraftBrief(
            draft_type=draft_type,
            purpose="follow_up",
            language="en",
            context=ClientContext.model_validate(at_stage(context_json, "qualified")),
        )
        today = dt.date(2026, 11, 23)
        return show(brief, choose(brief, today), Locale("en"), today, FactBook())

    mail, note = selected("email"), selected("note")
    assert (mail.task, mail.tasks) == (None, [])
    assert all((deal.stage, deal.amount, deal.close, deal.product) == ("", "", "", "") for deal in mail.deals)
    assert len(note.tasks) == 2
    assert all((note.deal.stage, note.deal.amount, note.deal.close, note.deal.product))


def test_how_we_file_an_exchange_is_not_its_subject_to_the_one_we_met(context_json):
    context_json["recentActivities"][2].update(type="meeting", subject="Meeting with Dana Whitfield")
    assert "Thank you for our meeting on November 18. " in write(context_json, "en", "follow_up").content
    assert "“Meeting with Dana Whitfield”" in write(context_json, "en", "follow_up", "note").content


@pytest.mark.parametrize("draft_type", [kind for kind in get_args(DraftType) if kind != "email"])
def test_what_stays_inside_still_tells_all(context_json, draft_type):
    content = write(at_stage(context_json, "qualified"), "en", "deal_update", draft_type).content
    for ours in ("qualification", "$48,250.50", "expected close December 15", "Overdue task: “Send the revised offer”"):
        assert ours in content


STAGE, TITLE = st.text("bcdfg", min_size=8), st.text("hjkmn", min_size=8, max_size=40)


@given(st.sampled_from(MAILS), STAGE, TITLE, st.integers(1_000_000, 9_999_999), st.dates())
def test_no_record_gets_our_words_into_a_mail(kind, stage, title, amount, close):
    language, purpose, _ = kind
    context = {
        "activeDeals": [{"id": "1", "title": "Hall", "stage": stage, "amount": amount, "expectedClose": str(close)}]
        * 2,
        "pendingTasks": [{"id": "2", "title": title, "dueAt": "2026-11-20", "overdue": True}],
        "today": "2026-11-23",
    }
    text = shown(write(context, language, purpose))
    assert stage not in text
    assert (title in text) == (purpose == "task_reminder")
    assert not re.search(r"\d", text.replace("20 min", "").replace("20 Min", ""))
