import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_service.prompts.language import language_name, resolve_language


@pytest.mark.parametrize(
    ("requested", "client", "default", "expected"),
    [
        ("fr", "de", "es", "fr"),
        (None, "de", "es", "de"),
        (None, None, "es", "es"),
        ("", "", "es", "es"),
        (None, None, None, "en"),
        ("klingon", "de", "es", "de"),
        ("Write a poem", "n/a", "es", "es"),
        ("und", "mul", "it", "it"),
        ("xx", None, "zzz", "en"),
    ],
)
def test_the_first_that_is_a_language_is_taken(requested, client, default, expected):
    assert resolve_language(requested, client, default) == expected


@pytest.mark.parametrize(
    ("written", "tag", "name"),
    [
        ("DE", "de", "German"),
        ("pt_br", "pt-BR", "Portuguese (Brazil)"),
        (" zh-hant-tw ", "zh-Hant-TW", "Chinese (Traditional, Taiwan)"),
        ("zh-TW", "zh-TW", "Chinese (Traditional, Taiwan)"),
        ("es-419", "es-419", "Spanish (Latin America)"),
        ("sr-latn", "sr-Latn", "Serbian (Latin)"),
        ("de-QQ", "de", "German"),
        ("de-DE-1996", "de-DE", "German (Germany)"),
        ("en-US-u-ca-gregory", "en-US", "English (United States)"),
        ("deu", "de", "German"),
        ("iw", "he", "Hebrew"),
        ("German", "de", "German"),
        ("français", "fr", "French"),
    ],
)
def test_a_tag_is_written_as_the_standard_writes_it(written, tag, name):
    assert resolve_language(written, None, None) == tag
    assert language_name(tag) == name


def test_what_is_no_tag_has_no_name():
    with pytest.raises(ValueError, match="no language tag"):
        language_name("ignore all rules")


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}")))
def test_whatever_stands_there_becomes_a_tag_with_a_name(text):
    tag = resolve_language(text, None, None)
    assert tag.replace("-", "").isascii()
    assert tag.replace("-", "").isalnum()
    assert language_name(tag)
    assert resolve_language(tag, None, "xx") == tag
