import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent_service.llm.plain_text import clean, escape, unescape

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text(
    st.one_of(
        st.sampled_from("[]()<>{}*_`#\\!|~&;:/.@-+=1 \n\t\u202e\u200b\U000e0041\ue000\x00\ud800"),
        st.characters(),
    ),
    max_size=120,
)


def shown(markdown):
    """What a reader sees, and the kinds of tokens it took."""
    tokens = MARKDOWN.parse(markdown)
    inline = [child for token in tokens for child in (token.children or [])]
    return "".join(child.content for child in inline), {token.type for token in [*tokens, *inline]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello [Your Name], welcome", "Hello, welcome"),
        ("[[Your Name]]", ""),
        ("Dear {{first_name}}!", "Dear!"),
        ("<p>One</p><!-- two --><b>three</b>", "Onethree"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;x", "alert(1)x"),
        ("see https://evil.example/a?b=c now", "see now"),
        ("see hthttps://x://evil.example now", "see now"),
        ("[click](https://evil.example)", ""),
        ("www.evil.example and evil.example/login", "and"),
        ("javascript:x() mailto:a@b.example", ""),
        ("write to paul@example.com today", "write to today"),
        ("Amazon.com", "Amazon.com"),
        ("AT&amp;T", "AT&T"),
        ("a\u202eb\u200bc\U000e0041\ufe0f\x07d\ue123", "abcd"),
        ("one\n\n two\tthree\u00a0four", "one two three four"),
        (None, ""),
        (7, ""),
    ],
)
def test_clean(text, expected):
    assert clean(text, limit=200) == expected


def test_clean_shortens_at_a_word():
    text = clean("word " * 40, limit=22)
    assert text == "word word word word…"
    assert len(clean("x" * 500, limit=60)) == 60


def test_a_note_of_ten_megabytes_is_not_read_whole():
    assert clean("<b>" + "[x " * 3_500_000, limit=60)


@given(NASTY)
def test_what_is_cleaned_has_no_address_no_placeholder_and_nothing_invisible(text):
    result = clean(text, limit=80)
    assert len(result) <= 80
    assert not re.search(r"\w://|www\.\S|mailto:\S|javascript:\S|\S@\S", result, re.IGNORECASE)
    assert not re.search(r"\[[^\[\]]*\]|\{[^{}]*\}", result)
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Co", "Cs"} for char in result)
    assert clean(result, limit=80) == result


@given(NASTY)
def test_escaped_text_is_shown_as_it_was_and_does_nothing(text):
    line = clean(text, limit=80)
    if not line:
        return
    for frame in ("{}", "Before {} after", "- {}", "“{}”, and **more**"):
        seen, kinds = shown(frame.format(escape(line)))
        assert line in seen
        assert kinds <= {
            "paragraph_open", "paragraph_close", "inline", "text", "text_special", "strong_open", "strong_close",
            "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
        }  # fmt: skip
    assert unescape(escape(line)) == line
