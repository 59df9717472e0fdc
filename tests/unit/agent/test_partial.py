"""The content of a draft while its JSON is still being written."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_service.llm.partial import ContentStream


def cut(text, places):
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(
    subject=st.text(), content=st.text(), places=st.lists(st.integers(min_value=0), max_size=30), plain=st.booleans()
)
def test_however_it_is_cut_the_pieces_are_the_content(subject, content, places, plain):
    text = json.dumps({"subject": subject, "content": content}, ensure_ascii=plain)
    shown = ContentStream()
    assert "".join(shown.feed(piece) for piece in cut(text, places)) == content


def test_something_is_seen_before_the_end():
    shown = ContentStream()
    assert shown.feed('{"subject": "Hi", "content": "Dear Da') == "Dear Da"
    assert shown.feed("na, than") == "na, than"
    assert shown.feed('k you."}') == "k you."


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", '{"content": 5}', '{"other": "x"}', "nul", '{"content"'])
def test_what_is_no_draft_shows_nothing(text):
    assert ContentStream().feed(text) == ""
