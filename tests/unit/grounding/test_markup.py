import gc
import re
import time

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent_service.grounding import clean_markdown, to_html
from agent_service.grounding.markup import CONTENT_LENGTH, TAGS

# What renderers do: GitHub's flavour, raw HTML let through, addresses made links.
RENDERERS = [
    MarkdownIt("gfm-like", {"html": True, "linkify": True}),
    MarkdownIt("gfm-like", {"html": False, "linkify": True, "breaks": True}),
    MarkdownIt("commonmark", {"html": True}),
]
TAG = re.compile(r"</?([a-zA-Z!?][\w-]*)([^>]*)>")
# A mail address is text that `ground` looks up; it is no link of ours, whatever a renderer makes of it.
MAIL_LINK = re.compile(r'<a href="mailto:[^"]*">(.*?)</a>', re.DOTALL)
PIECES = (
    *("**", "*", "_", "__", "`", "```\n", "[", "](", ")", "![", "<", ">", "<b>", "</b>", "<img src=x>", "<a href='"),
    *(
        "&lt;",
        "&#60;",
        "&",
        ";",
        "\\",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "2) ",
        "  ",
        "    ",
        "# ",
        "> ",
        "~~",
        "|",
        "| - |\n",
    ),
    *(
        "\n---\n",
        "===",
        ":-:",
        ":",
        "a",
        "b c",
        "www.",
        "evil.com",
        "https://",
        "//",
        "/x",
        "@",
        ".",
        "mailto:",
        "[x]: ",
    ),
    *("[^1]", "{", "}", "!", "é", "„", "<!--", "-->", "<br>", "\u200b", "\u202e", "x", "1", "\u00a0", "\t", "\r"),
)
ANY = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    st.text(st.one_of(st.sampled_from("[]()<>{}*_`#\\!|~&;:/.@-+=1 \n\t\u202e\u200b"), st.characters()), max_size=80),
)


def assert_harmless(markdown):
    for renderer in RENDERERS:
        html = MAIL_LINK.sub(r"\1", renderer.render(markdown))
        found = {(name.lower(), re.sub(r"[ /]|start=\"\d+\"", "", rest)) for name, rest in TAG.findall(html)}
        assert found <= {(tag, "") for tag in TAGS}
        assert not re.search(r"<[^>]*\b(?:href|src)\b", nh3.clean(html, tags=TAGS, attributes={}))
    assert {name for name, _ in TAG.findall(to_html(markdown))} <= TAGS


@settings(max_examples=1000, deadline=None)
@given(ANY)
def test_whatever_goes_in_renders_to_paragraphs_lists_and_emphasis(text):
    assert_harmless(clean_markdown(text).text)


@settings(max_examples=1000, deadline=None)
@given(ANY)
def test_cleaning_twice_is_cleaning_once(text):
    cleaned = clean_markdown(text)

    again = clean_markdown(cleaned.text)

    assert (again.text, again.removed) == (cleaned.text, ())


@pytest.mark.parametrize(
    ("text", "expected", "removed"),
    [
        ("Hello **Dana**, *thank* you.\n\n- one\n  - two\n- three", None, ()),
        ("3. three\n4. four", None, ()),
        ("__strong__ and _em_", "**strong** and *em*", ()),
        ("See [our offer](https://evil.example/x) now", "See our offer now", ("link_removed",)),
        ("See [our offer][1] now\n\n[1]: https://evil.example 'x'", "See our offer now", ("link_removed",)),
        ("See <https://evil.example/x> now", "See now", ("link_removed",)),
        ("See https://evil.example/x?a=b, now", "See , now", ("link_removed",)),
        ("See www.evil.example now", "See now", ("link_removed",)),
        ("See evil.example/login now", "See now", ("link_removed",)),
        ("See evil.com now", "See now", ("link_removed",)),
        ("See evil.zip now", "See now", ("link_removed",)),
        ("See h&#116;tps&#58;//evil.example now", "See now", ("link_removed",)),
        ("See https\\://evil.example now", "See now", ("link_removed",)),
        ("See hthttps://x://evil.example now", "See now", ("link_removed",)),
        ("See ht**tps://evil**.example/x now", "See now", ("link_removed",)),
        ("See ht\u200btps://evil.example now", "See now", ("invisible_removed", "link_removed")),
        ("[call](javascript:alert(1)) [x](tel:123)", "\\[call\\](javascript:alert(1)) x", ("link_removed",)),
        ("Write to dana@northlake.example", "Write to dana@northlake.example", ()),
        ("![a cat](https://evil.example/x.png)", "a cat", ("image_removed",)),
        ("<b>bold</b> <img src=https://evil.example/x> end", "bold end", ("markup_removed",)),
        ("&lt;img src=x onerror=alert(1)&gt; end", "end", ("markup_removed",)),
        ("&amp;lt;b&amp;gt;", "\\&lt;b\\&gt;", ()),
        ("one<br>two", "one\\\ntwo", ()),
        ("<!-- hidden -->shown", "shown", ("markup_removed",)),
        ("# Title\n\ntext", "Title\n\ntext", ("markup_removed",)),
        ("Title\n===\n\ntext", "Title\n\ntext", ("markup_removed",)),
        ("> quoted", "quoted", ("markup_removed",)),
        ("use `code` here", "use code here", ("markup_removed",)),
        ("```sql\nselect 1\n```", "select 1", ("markup_removed",)),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2", ("markup_removed",)),
        ("~~gone~~", "gone", ("markup_removed",)),
        ("above\n\n---\n\nbelow", "above\n\nbelow", ("markup_removed",)),
        ("a note[^1] here", "a note here", ("markup_removed",)),
        ("pay \u202e001\u202c now\U000e0041", "pay 001 now", ("invisible_removed",)),
        ("Dear <Name>, [Your Name]", "Dear \\<Name\\>, \\[Your Name\\]", ()),
        ("12 000 €, AT&T, a_b, 2 * 3", "12 000 €, AT&T, a\\_b, 2 \\* 3", ()),
        ("", "", ()),
    ],
)
def test_clean_markdown(text, expected, removed):
    cleaned = clean_markdown(text)

    assert (cleaned.text, cleaned.removed) == (text if expected is None else expected, removed)


def test_a_link_survives_only_where_its_address_is_known():
    text = "[Portal](https://portal.example/a_b) and [other](https://portal.example/x)"

    cleaned = clean_markdown(text, allowed_links={"https://portal.example/a_b"})

    assert cleaned.text == "Portal https://portal.example/a\\_b and other"
    assert clean_markdown(cleaned.text, allowed_links={"https://portal.example/a_b"}) == type(cleaned)(cleaned.text, ())


def test_html_has_tags_and_no_attributes():
    assert to_html("**a**\n\n3. *b*") == "<p><strong>a</strong></p>\n<ol>\n<li><em>b</em></li>\n</ol>\n"


def test_long_text_is_cut_and_says_so():
    cleaned = clean_markdown("word " * CONTENT_LENGTH)

    assert len(cleaned.text) <= CONTENT_LENGTH
    assert cleaned.removed == ("shortened",)


HOSTILE = ["[", "<", "*", "1", "[a](", "*a_", "![", "`a", "<a ", '<a"', "> ", "- ", "a|", "&a;", "\\", "[^1", "<!--"]
HOSTILE += ["- a\n", "*a* ", "a.b/", "www.a.", "http://", "a@b.", "<<b>b>", "~~", "[a]: b\n"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_in_proportion_to_its_length(piece):
    def seconds(length):
        text = (piece * length)[:length]
        best = float("inf")
        for _ in range(2):
            started = time.perf_counter()
            clean_markdown(text)
            best = min(best, time.perf_counter() - started)
        return best

    gc.disable()
    try:
        # Four times the text: the square of it would take sixteen times as long. What takes no time is no attack.
        assert seconds(CONTENT_LENGTH) < 10 * seconds(CONTENT_LENGTH // 4) + 0.05
    finally:
        gc.enable()
