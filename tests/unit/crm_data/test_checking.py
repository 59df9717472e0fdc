"""Checking an export: each way in which a file can be bad, named with its file, line and column."""

from __future__ import annotations

import csv
import datetime as dt
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent_service.crm_data import reading
from agent_service.crm_data.building import build
from agent_service.crm_data.checking import check_folder
from agent_service.crm_data.export import Export
from agent_service.crm_data.mapping import Mapping, read_mapping
from tests.exports import FILES, write_export

TODAY = dt.date(2026, 3, 2)


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return read_mapping()


def check(folder: Path, mapping: Mapping, **changed: str | bytes | None) -> Export:
    return check_folder(write_export(folder, **changed), mapping)


def places(export: Export) -> list[tuple[str, int | None, str | None, str]]:
    return [(fault.file, fault.line, fault.column, fault.kind) for fault in export.faults]


def test_defects_of_real_exports_are_data_and_not_faults(tmp_path: Path, mapping: Mapping) -> None:
    export = check(tmp_path, mapping)
    assert (export.faults, export.skipped, export.usable) == ([], 0, True)
    assert [deal.client for deal in export.deals] == ["1", "1", "2", None]
    assert [deal.product for deal in export.deals] == ["GTX Pro", "Kite", "Kite", "GTX Pro"]
    assert export.activities[0].content == 'First line\nsecond "quoted" line'
    assert {name: person.role for name, person in export.people.items()} == {
        "Ada Example": "user",
        "Bo Example": "user",
        "Mona Sample": "admin",
    }


DEALS, NOTES = FILES["sales_pipeline.csv"], FILES["interactions.csv"]
BAD_FILES = {
    "missing file": ({"products": None}, [("products.csv", None, None, "missing_file")]),
    "empty file": ({"products": b"\n \n"}, [("products.csv", None, None, "empty_file")]),
    "missing column": (
        {"accounts": FILES["accounts.csv"].replace("account,", "company,", 1)},
        [("accounts.csv", 1, "account", "missing_column")],
    ),
    "column twice": (
        {"products": FILES["products.csv"].replace("product_id", "product", 1)},
        [("products.csv", 1, "product", "duplicate_column")],
    ),
    "bad date": (
        {"sales_pipeline": DEALS.replace("3/2/2025", "2025-03-02")},
        [("sales_pipeline.csv", 4, "engage_date", "bad_date")],
    ),
    "a year not to be believed": (
        {"sales_pipeline": DEALS.replace("3/2/2025", "3/2/0205")},
        [("sales_pipeline.csv", 4, "engage_date", "bad_date")],
    ),
    "the thirtieth of February": (
        {"interactions": NOTES.replace("1/5/2025", "2/30/2025")},
        [("interactions.csv", 5, "timestamp", "bad_date")],
    ),
    "bad number": (
        {"sales_pipeline": DEALS.replace(",4000", ",4000 USD")},
        [("sales_pipeline.csv", 2, "close_value", "bad_number")],
    ),
    "number too large": (
        {"sales_pipeline": DEALS.replace(",4000", ",1e12")},
        [("sales_pipeline.csv", 2, "close_value", "bad_number")],
    ),
    "not a number": (
        {"sales_pipeline": DEALS.replace(",4000", ",NaN")},
        [("sales_pipeline.csv", 2, "close_value", "bad_number")],
    ),
    "unknown client": (
        {"interactions": NOTES.replace("2,Ed", "99,Ed")},
        [("interactions.csv", 5, "account_id", "unknown_client")],
    ),
    "no client": (
        {"interactions": NOTES.replace("2,Ed", ",Ed")},
        [("interactions.csv", 5, "account_id", "missing_value")],
    ),
    "unknown person": (
        {"sales_pipeline": DEALS.replace("D1,1,Ada", "D1,1,Zoe")},
        [("sales_pipeline.csv", 2, "sales_agent", "unknown_person")],
    ),
    "unknown product": (
        {"sales_pipeline": DEALS.replace("GTXPro", "GTX-Pro")},
        [("sales_pipeline.csv", 2, "product", "unknown_product")],
    ),
    "unknown stage": (
        {"sales_pipeline": DEALS.replace("Lost", "Gone")},
        [("sales_pipeline.csv", 4, "deal_stage", "unknown_value")],
    ),
    "duplicate id": (
        {"sales_pipeline": DEALS.replace("D3,", "D1,")},
        [("sales_pipeline.csv", 4, "opportunity_id", "duplicate_id")],
    ),
    "wrong encoding": (
        {"accounts": FILES["accounts.csv"].replace("Quiet Mill", "Stiller Mühle").encode("cp1252")},
        [("accounts.csv", 4, "account", "encoding")],
    ),
    "UTF-16": ({"accounts": FILES["accounts.csv"].encode("utf-16")}, [("accounts.csv", None, None, "encoding")]),
    "a cell of 10 MB": (
        {"interactions": NOTES.replace("Send the offer", "x" * 10_000_000)},
        [("interactions.csv", 4, "comment", "cell_too_large")],
    ),
    "a quoted cell of 10 MB on many lines": (
        {"interactions": NOTES.replace("Send the offer", '"' + 'say ""x"",\n' * 1_000_000 + '"')},
        [("interactions.csv", 4, "comment", "cell_too_large")],
    ),
    "a row of many large cells": (
        {"accounts": FILES["accounts.csv"] + ",".join(["9" * 900_000] * 6) + "\n"},
        [("accounts.csv", 5, None, "row_too_large")],
    ),
    "too few cells": (
        {"sales_pipeline": DEALS.replace("Lost,3/2/2025,3/1/2025,0", "Lost")},
        [("sales_pipeline.csv", 4, None, "ragged_row")],
    ),
    "too many cells": (
        {"interactions": NOTES.replace("Send the offer", "Send, the offer")},
        [("interactions.csv", 4, None, "ragged_row")],
    ),
    "a NUL byte": (
        {"interactions": NOTES.replace("the offer", "the\0offer")},
        [("interactions.csv", 4, "comment", "nul_byte")],
    ),
    "an open quote": (
        {"interactions": NOTES.replace("Send the offer", '"Send the offer')},
        [("interactions.csv", 4, None, "quoting")],
    ),
    "text after a quote": (
        {"interactions": NOTES.replace("Send the offer", '"Send" the offer')},
        [("interactions.csv", 4, None, "quoting")],
    ),
    "a key too long for an index": (
        {"sales_pipeline": DEALS.replace("D3,", "D" * 3000 + ",")},
        [("sales_pipeline.csv", 4, "opportunity_id", "value_too_long")],
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_fault_at_its_place(name: str, tmp_path: Path, mapping: Mapping) -> None:
    changed, expected = BAD_FILES[name]
    export = check(tmp_path, mapping, **changed)
    assert places(export) == expected
    fault = export.faults[0]
    assert len(str(fault)) < 400
    assert fault.problem.endswith(".")
    assert fault.mend.endswith(".")


def test_a_wrong_byte_is_named(tmp_path: Path, mapping: Mapping) -> None:
    changed, _ = BAD_FILES["wrong encoding"]
    assert "Byte 12 of the line (0xFC) is not utf-8." in str(check(tmp_path, mapping, **changed).faults[0])


def test_lines_are_physical_also_after_a_cell_with_line_ends(tmp_path: Path, mapping: Mapping) -> None:
    notes = NOTES.replace("First line\n", "\n\n\n").replace("1/5/2025", "never").replace("\n", "\r\n")
    assert places(check(tmp_path, mapping, interactions=notes)) == [("interactions.csv", 7, "timestamp", "bad_date")]


def test_all_faults_of_all_files_come_at_once(tmp_path: Path, mapping: Mapping) -> None:
    names = ["column twice", "unknown client", "wrong encoding", "duplicate id"]
    changed = {file: content for name in names for file, content in BAD_FILES[name][0].items()}
    found = places(check(tmp_path, mapping, **changed))
    assert sorted(map(str, found)) == sorted(str(place) for name in names for place in BAD_FILES[name][1])


def test_two_faults_of_one_row_are_both_named_and_it_is_counted_once(tmp_path: Path, mapping: Mapping) -> None:
    deals = DEALS.replace("Lost,3/2/2025,3/1/2025,0", "Gone,soon,3/1/2025,much")
    export = check(tmp_path, mapping, sales_pipeline=deals)
    assert [fault.column for fault in export.faults] == ["deal_stage", "close_value", "engage_date"]
    assert export.skipped == 1


def test_a_file_that_cannot_be_read_is_not_blamed_on_the_rows_that_name_its_keys(
    tmp_path: Path, mapping: Mapping
) -> None:
    export = check(tmp_path, mapping, accounts=None)
    assert places(export) == [("accounts.csv", None, None, "missing_file")]
    assert not export.usable


def test_rows_that_need_a_bad_row_are_named_while_skipping_only(tmp_path: Path, mapping: Mapping) -> None:
    accounts = FILES["accounts.csv"].replace("2,Blue Harbour", "2,")
    bad = ("accounts.csv", 3, "account", "missing_value")
    assert places(check(tmp_path, mapping, accounts=accounts)) == [bad]
    export = check_folder(tmp_path, mapping, skip_bad_rows=True)
    assert places(export) == [
        bad,
        ("sales_pipeline.csv", 4, "account_id", "left_out_parent"),
        ("interactions.csv", 5, "account_id", "left_out_parent"),
    ]
    assert (export.skipped, len(export.deals), len(export.activities)) == (3, 3, 2)


def test_a_byte_order_mark_blank_rows_and_other_encodings_are_accepted(tmp_path: Path, mapping: Mapping) -> None:
    accounts = "\ufeff\n" + FILES["accounts.csv"].replace("3,Quiet", "\n,,,\n3,Quiet")
    assert len(check(tmp_path, mapping, accounts=accounts).clients) == 3
    german = mapping.model_copy(update={"encoding": "cp1252"})
    changed, _ = BAD_FILES["wrong encoding"]
    assert check(tmp_path, german, **changed).clients["3"].name == "Stiller Mühle"


def test_a_huge_cell_does_not_fill_the_memory_and_leaves_the_csv_module_as_it_was(
    tmp_path: Path, mapping: Mapping
) -> None:
    write_export(tmp_path, interactions=NOTES.replace("Send the offer", "x" * 60_000_000))
    before = csv.field_size_limit()
    tracemalloc.start()
    export = check_folder(tmp_path, mapping)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [fault.kind for fault in export.faults] == ["cell_too_large"]
    assert peak < 40_000_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    "cell",
    ["," * 30_000_000, '""' * 15_000_000, "a line\n" * 400_000],
    ids=["delimiters", "quotes", "lines"],
)
def test_what_a_huge_row_is_made_of_does_not_fill_the_memory_either(
    cell: str, tmp_path: Path, mapping: Mapping
) -> None:
    notes = NOTES.replace("Send the offer", f'"{cell}"').replace("1/5/2025", "never")
    write_export(tmp_path, interactions=notes)
    tracemalloc.start()
    export = check_folder(tmp_path, mapping)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (line, too_large), (after, bad_date) = [(fault.line, fault.kind) for fault in export.faults]
    assert (line, bad_date) == (4, "bad_date")
    assert too_large in {"cell_too_large", "row_too_large"}
    assert after == 5 + cell.count("\n"), "the row after it is read, with its physical line"
    assert peak < 60_000_000


@given(rows=st.lists(st.lists(st.text('ab",\n', max_size=40), min_size=6, max_size=6), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rows_begin_where_they_begin_however_small_the_limit(
    rows: list[list[str]], tmp_path: Path, mapping: Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle is the same reader with room for everything."""
    with (tmp_path / "interactions.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["a", "b", "c", "d", "e", "f"], *rows, ["z"] * 6])

    def lines(limit: int) -> list[int]:
        monkeypatch.setattr(reading, "MAX_ROW_BYTES", limit)
        source = reading.SourceFile(
            tmp_path / "interactions.csv", columns=["a"], mapping=mapping, faults=[], advance=lambda _count: None
        )
        return [record.line for record in source.records()]

    whole = lines(1_000_000)
    kept = lines(20)
    # a row of blank cells is passed over where it can be seen to be one, so the large ones may be more
    assert set(whole) <= set(kept)
    assert kept[-1] == whole[-1]


def test_an_export_without_a_client_is_not_loaded_even_when_bad_rows_are_skipped(
    tmp_path: Path, mapping: Mapping
) -> None:
    accounts = FILES["accounts.csv"]
    for name in ("Acme Rockets", "Blue Harbour", "Quiet Mill"):
        accounts = accounts.replace(name, "")
    export = check_folder(write_export(tmp_path, accounts=accounts), mapping, skip_bad_rows=True)
    assert not export.usable
    assert "no_clients" in {fault.kind for fault in export.faults}
    header = FILES["accounts.csv"].splitlines()[0]
    assert not check(tmp_path, mapping, accounts=header).usable


def test_faults_say_what_a_column_or_a_byte_may_be(tmp_path: Path, mapping: Mapping) -> None:
    export = check(tmp_path, mapping, accounts=FILES["accounts.csv"].replace("account_id", "Account_id"))
    assert "Is it 'Account_id'?" in export.faults[0].mend
    changed, _ = BAD_FILES["wrong encoding"]
    assert "it is 'ü' in cp1252" in check(tmp_path, mapping, **changed).faults[0].mend


def test_what_is_planned_does_not_count_as_the_newest_record(tmp_path: Path, mapping: Mapping) -> None:
    export = check(
        tmp_path,
        mapping,
        interactions=NOTES + "1,Cy Contact,Meeting,Scheduled,6/1/2025,Fair\n",
        sales_pipeline=DEALS + "D9,1,Ada Example,Kite,Engaging,3/1/2025,9/1/2025,\n",
    )
    _, tables = build(export, mapping, newest_days_ago=1, today=TODAY)
    day = dt.date(2026, 3, 1)
    assert max(row["closed_at"].date() for row in tables["deals"] if row["closed_at"]) == day
    assert max(row["occurred_at"].date() for row in tables["activities"]) == day + dt.timedelta(days=30)
    assert max(row["created_at"].date() for rows in tables.values() for row in rows) == day
    assert tables["deals"][-1]["closed_at"] is None, "it is open"
    assert tables["deals"][-1]["expected_close"] == day + dt.timedelta(days=122)


def test_what_a_cell_holds_cannot_steer_the_terminal(tmp_path: Path, mapping: Mapping) -> None:
    export = check(tmp_path, mapping, sales_pipeline=DEALS.replace("Lost", "\x1b[2J"))
    assert "\x1b" not in str(export.faults[0])


CELLS = st.sampled_from(
    [
        *b',,,\n\n\r""\0;\\\'',
        *b"1/10/2025",
        "é".encode(),
        b"\xff",
        b"\xef\xbb\xbf",
        b"D1",
        b"Ada Example",
        b"Won",
        b"1e9",
    ]
)
NEARLY_CSV = st.lists(CELLS.map(lambda c: c if isinstance(c, bytes) else bytes([c])), max_size=60).map(b"".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.tuples(st.booleans(), NEARLY_CSV | st.binary()), min_size=1))
@example({"accounts.csv": (False, b"\xff\xfe")})
@example({"interactions.csv": (True, b'"')})
@example({"sales_pipeline.csv": (True, b"D9,,,,Won,12/31/2100,1/1/1900,1e-9999999\n")})
def test_no_bytes_raise(mapping: Mapping, tmp_path: Path, changed: dict[str, tuple[bool, bytes]]) -> None:
    """Whatever follows the good rows or stands in their place is data or a fault, and what is left can be built."""
    contents = {
        name.removesuffix(".csv"): (FILES[name].encode() if after else b"") + noise
        for name, (after, noise) in changed.items()
    }
    write_export(tmp_path, **contents)
    export = check_folder(tmp_path, mapping, skip_bad_rows=True)
    assert all(fault.line is None or fault.line >= 1 for fault in export.faults)
    people, tables = build(export, mapping, newest_days_ago=1, today=TODAY)
    assert len({person.email for person in people}) == len(people)
    for rows in tables.values():
        assert len({row["id"] for row in rows}) == len(rows)
