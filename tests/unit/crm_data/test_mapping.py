"""Mapping files: every fault of one at once, in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_service.crm_data.mapping import MappingError, read_mapping

LEAST = """
date_formats = ["%Y-%m-%d"]
[people]
file = "p.csv"
key = "name"
full_name = "name"
[clients]
file = "c.csv"
key = "id"
name = "name"
"""
DEALS = """
[deals]
file = "d.csv"
key = "id"
client = "client"
stage = "stage"
stages = {Won = "won"}
"""


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "mapping.toml"
    path.write_text(text, "utf-8")
    return read_mapping(path)


def test_the_least_mapping_and_the_packaged_one_are_accepted(tmp_path: Path) -> None:
    read(tmp_path, LEAST)
    read(tmp_path, LEAST + DEALS)
    assert read_mapping().clients.file == "accounts.csv"


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    wrong = LEAST.replace('full_name = "name"', "fullname = 1") + DEALS.replace('"won"', '"closed"')
    with pytest.raises(MappingError) as caught:
        read(tmp_path, wrong + "push_by = 0\n")
    for fault in ("people.full_name", "people.fullname: there is no such setting", "deals.stages.Won", "deals.push_by"):
        assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('encoding = "utf-16"', "encoding: utf-16"),
        ('encoding = "raw_unicode_escape"', "encoding:"),
        ('encoding = "utf-7"', "encoding:"),
        ('encoding = "klingon"', "encoding: klingon"),
        ('number_locale = "nowhere"', "number_locale: 'nowhere'"),
        ('currency = "usd"', "currency:"),
        ('delimiter = ",,"', "delimiter:"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(MappingError, match=says):
        read(tmp_path, line + LEAST)


@pytest.mark.parametrize("form", ["%d/%m", "%Y", "%Q", "", "%H:%M"])
def test_a_date_format_must_hold_a_whole_date(tmp_path: Path, form: str) -> None:
    with pytest.raises(MappingError, match="date_formats"):
        read(tmp_path, LEAST.replace("%Y-%m-%d", form))


@pytest.mark.parametrize(
    "template", ["{product.__class__}", "{secret}", "{product!r}", "{product:>99999999}", "{", "{}"]
)
def test_a_template_may_use_its_fields_and_no_more(tmp_path: Path, template: str) -> None:
    with pytest.raises(MappingError, match=r"deals\.made_title"):
        read(tmp_path, LEAST + DEALS + f'made_title = "{template}"\n')


def test_what_is_no_toml_file_is_refused(tmp_path: Path) -> None:
    for text in ("= 1", "a = " + "[" * 5000):
        with pytest.raises(MappingError, match="not a TOML file"):
            read(tmp_path, text)
    with pytest.raises(MappingError, match="cannot be read"):
        read_mapping(tmp_path / "missing.toml")
    with pytest.raises(MappingError, match="cannot be read"):
        read_mapping(tmp_path)
