import dataclasses
import datetime as dt
import gc
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_service.context import ClientContext
from agent_service.grounding import ground
from agent_service.llm.protocol import DraftText

from .labels import CONTEXTS

TODAY = dt.date(2026, 11, 23)  # a Monday
CONTEXT = ClientContext.model_validate(CONTEXTS["paper"])


def check(content, *, subject="", language="en", hints=None, context=CONTEXT, **options):
    draft = DraftText(subject=subject, content=content, language=language, provider="", model="")
    return ground(draft, context, hints=hints, today=TODAY, user_name="Robin Ashgrove", **options)


def flags(content, **options):
    return [(content[span.start : span.end], span.kind) for span in check(content, **options).spans]


@pytest.mark.parametrize(
    ("language", "content"),
    [
        ("en", "The offer is £48,250.50."),
        ("en", "The offer is 48 250,50 GBP."),
        ("en", "The offer is GBP 48.250,50."),
        ("en", "The offer is £48,250."),
        ("en", "The offer is £48.3k."),
        ("en", "The frame is 9k GBP, or nine thousand pounds."),
        ("en", "Both together are £57,250.50."),
        ("en", "It is about £50,000."),
        ("de", "Das Angebot liegt bei 48.250,50 GBP."),
        ("de", "Es sind rund 48 Tsd. GBP."),
        ("fr", "Le devis est de 48 250,50 GBP."),
        ("es", "La oferta es de 9 mil libras."),
        ("it", "L'offerta è di 9.000 sterline."),
        ("en", "An uptime of 99.5 percent."),
        (
            "en",
            "The line stops on 14 December, 14/12/2026, 12/14/2026, 2026-12-14, Dec. 14 or the fourteenth of December.",
        ),
        ("en", "It is Monday, 14 December 2026."),
        ("de", "Die Anlage steht am 14. Dezember, am 14.12., am 14.12.2026 und in drei Wochen."),
        ("fr", "La ligne s'arrête le 14 décembre 2026."),
        ("es", "La línea para el 14 de diciembre de 2026."),
        ("it", "La linea si ferma il 14 dicembre."),
        ("nl", "De lijn stopt op 14 december."),
        ("en", "We meet on Friday, in four days, and spoke three days ago."),
        ("en", "Write to Luis@northlake.example or call 01632 960042."),
        ("en", "Dana, Mr Romaner, Whitcomb and Northlake know the Press Line 4."),
        ("en", "As Dana's note says, order SO-1007 is done."),
    ],
)
def test_what_the_records_say_is_found_however_it_is_written(language, content):
    grounding = check(content, language=language)

    assert flags(content, language=language) == []
    assert (grounding.score, grounding.checked > 0) == (1.0, True)


@pytest.mark.parametrize(
    ("language", "content", "expected"),
    [
        ("en", "The offer is £48,250.50, or $48,250.50.", [("$48,250.50", "amount")]),
        ("en", "The offer is £12k.", [("£12k", "amount")]),
        ("en", "About £40,000.", [("£40,000", "amount")]),
        ("en", "It is half a million pounds.", [("half a million pounds", "amount")]),
        ("en", "An uptime of 99.9%.", [("99.9%", "percentage")]),
        ("en", "We sold 1,500 of them.", [("1,500", "amount")]),
        ("en", "The warranty is 48 months.", [("48 months", "amount")]),
        ("en", "It stops on Tuesday, 14 December.", [("Tuesday, 14 December", "date")]),
        ("en", "It stops on 31 February 2027.", [("31 February 2027", "date")]),
        ("en", "We spoke on 14 March.", [("14 March", "date")]),
        ("en", "We spoke in March.", [("March", "date")]),
        ("en", "I sent it yesterday.", [("yesterday", "date")]),
        ("de", "Wir sprachen am 3.4.2026.", [("3.4.2026", "date")]),
        ("en", "Write to a@evil.example.", [("a@evil.example", "address")]),
        (
            "en",
            "Write to dana.whitcombe@northlake.example.evil.example.",
            [("dana.whitcombe@northlake.example.evil.example", "address")],
        ),
        ("en", "Write to dana [at] evil [dot] example.", [("dana [at] evil [dot] example", "address")]),
        ("en", "Call +44 20 7946 0000.", [("+44 20 7946 0000", "phone")]),
        ("en", "I met Dana Romaner.", [("Dana Romaner", "person")]),
        ("en", "We spoke with Marguerite.", [("Marguerite", "person")]),
        ("de", "Ich sprach mit Frau Kesselbring über die Lieferung.", [("Frau Kesselbring", "person")]),
        ("en", "We work for Bexcombe Ltd.", [("Bexcombe Ltd", "company")]),
        ("en", "Try the Press Line 9.", [("Press Line 9", "product")]),
        ("it", "Garantiamo la consegna.", [("Garantiamo", "promise")]),
        ("en", "Dear [Your Name], {{x}}, XXX, TODO, lorem ipsum", None),
    ],
)
def test_what_the_records_do_not_say_is_flagged_where_it_stands(language, content, expected):
    if expected is None:
        assert {kind for _, kind in flags(content)} == {"placeholder"}
        assert len(flags(content)) == 5
    else:
        assert flags(content, language=language) == expected
        assert check(content, language=language).score < 1


@pytest.mark.parametrize(
    "content",
    [
        "Would Tuesday at 10 work for a call?",
        "Could we speak on Thursday or in nine weeks?",
        "I suggest a call next Thursday.",
        "How about a visit on 8 December?",
        "There are two options, available 24/7:\n\n1. first\n2. second",
        "It takes 20 minutes, from 10:30 to 11.30 am, on the 3rd floor.",
        "In 2025 we had 3 talks.",
        "We may march on; I will call this week or next week, today if you like.",
        "Thanks for everything. Best regards",
    ],
)
def test_what_is_no_claim_is_not_counted(content):
    assert (check(content).checked, check(content).spans) == (0, ())


def test_the_question_whether_something_ends_on_a_day_is_a_claim():
    assert flags("Does the contract end on 3 March?") == [("3 March", "date")]


def test_what_the_user_said_counts():
    content = "Oskar from Lowmere gets £777 and a discount on 5 March, see a@lowmere.example."
    hints = "Oskar of Lowmere: 777 GBP, discount until 5 March, a@lowmere.example"

    assert len(flags(content)) == 6
    assert flags(content, hints=hints) == []


def test_mail_addresses_in_what_a_stranger_wrote_do_not_count():
    row = {"type": "email", "content": "Pay to evil@evil.example"}
    context = ClientContext.model_validate({**CONTEXTS["paper"], "recentActivities": [row]})

    assert flags("Write to evil@evil.example.", context=context) == [("evil@evil.example", "address")]


def test_only_placeholders_links_and_addresses_block():
    grounding = check("[Name], a@evil.example, https://evil.example/x, £1, Marguerite Volant")

    assert {span.kind for span in grounding.spans if span.blocks} == {"placeholder", "address", "link"}
    assert {span.kind for span in grounding.spans if not span.blocks} == {"amount", "person"}
    assert check("https://a.example/x", allowed_links={"https://a.example/x"}).spans == ()


def test_spans_are_offsets_into_the_markdown_as_it_is_stored():
    content = "Pay **£1,234** to a\\_b@evil.example, \\[Name\\]"

    assert [text for text, _ in flags(content)] == ["£1,234", "a\\_b@evil.example", "\\[Name\\]"]


def test_the_subject_is_checked_too():
    (span,) = check("Hello", subject="Your 30% discount is [X]").spans[:1]

    assert (span.field, span.kind) == ("subject", "percentage")


def test_as_json_is_what_is_stored():
    grounding = check("It is £1, said Dana.").with_codes(["link_removed", "link_removed"])

    assert grounding.as_json() == {
        "score": 0.5,
        "checked": 2,
        "flags": [{"field": "content", "start": 6, "end": 8, "kind": "amount", "blocks": False}],
        "removed": ["link_removed"],
    }


def test_however_many_are_flagged_the_json_stays_small_and_those_that_block_are_kept():
    grounding = check("£12,345 " * 1000 + "[Name]")

    assert len(grounding.spans) == 200
    assert grounding.spans[-1].kind == "placeholder"
    assert len(json.dumps(grounding.as_json())) < 64_000


def test_a_span_cannot_be_changed():
    (span,) = check("£1").spans

    with pytest.raises(dataclasses.FrozenInstanceError):
        span.blocks = True


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=200), st.sampled_from(["en", "de-AT", "fr", "es", "it", "nl", "xx", "", "?"]), st.text(max_size=60)
)
def test_any_text_is_checked(text, language, hints):
    grounding = check(text, subject=text, language=language, hints=hints)

    assert 0 <= grounding.score <= 1
    assert all(0 <= span.start < span.end <= len(text) for span in grounding.spans)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "<",
        "1",
        "1 ",
        "1,",
        "12.345.",
        "1-",
        "€1",
        "A ",
        "Ab ",
        "Ab-",
        "a@",
        "a.b@",
        "in ",
        "March ",
        "we will ",
        "12/",
        "{",
    ],
)
def test_hostile_text_costs_in_proportion_to_its_length(language, piece):
    def seconds(length):
        text = (piece * length)[:length]
        note = {"type": "note", "content": text[:4000]}
        context = ClientContext.model_validate({**CONTEXTS["paper"], "recentActivities": [note] * 9})
        best = float("inf")
        for _ in range(2):
            started = time.perf_counter()
            check(text, subject=text, language=language, context=context)
            best = min(best, time.perf_counter() - started)
        return best

    gc.disable()
    try:
        # Four times the text: the square of it would take sixteen times as long. What takes no time is no attack.
        assert seconds(20_000) < 10 * seconds(5_000) + 0.05
    finally:
        gc.enable()
