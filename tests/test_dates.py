import re
from datetime import date, datetime

import numpy as np
import pytest

from common.data import dates
from common.data.dates import human_date, ordinal


def parse(text):
    """Read a date in a way of its own: by what its parts look like, not by its format. Weekdays must be right."""
    if re.fullmatch(r"\d{4}/\d\d/\d\d", text):
        return datetime.strptime(text, "%Y/%m/%d").date()
    if re.fullmatch(r"\d+\.\d+\.\d{4}", text):
        return datetime.strptime(text, "%d.%m.%Y").date()
    words = re.findall(r"[a-z]+|\d+", text.lower())
    (year,) = (word for word in words if re.fullmatch(r"\d{4}", word))
    (day,) = (word for word in words if re.fullmatch(r"\d\d?", word))
    (month,) = (
        word for word in words if re.match("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", word)
    )
    found = datetime.strptime(
        f"{day} {month} {year}", "%d %b %Y" if len(month) == 3 else "%d %B %Y"
    ).date()
    suffixes = re.findall(r"\d(st|nd|rd|th)", text.lower())
    expected = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(
        found.day, "th"
    )
    assert suffixes in ([], [expected])
    others = set(words) - {year, day, month, "the", "of", *suffixes}
    assert others <= {f"{found:%A}".lower(), f"{found:%a}".lower()}
    return found


def test_every_date_is_read_back():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4000):
        human, iso = human_date(rng)
        assert all(len(character) == 1 for character in human + iso)
        found.append(parse("".join(human)))
        assert found[-1] == date.fromisoformat("".join(iso))
    assert {day.month for day in found} == set(range(1, 13))
    assert {day.day for day in found} == set(range(1, 32))
    assert {day.year for day in found} == set(range(1950, 2050))


@pytest.mark.parametrize("days", [(date(1950, 1, 1), 1), (date(2049, 12, 31), -1)])
def test_the_range_of_days_includes_both_ends(days, monkeypatch):
    end, inwards = days
    monkeypatch.setattr(dates, "FIRST", min(end.toordinal(), end.toordinal() + inwards))
    monkeypatch.setattr(dates, "LAST", max(end.toordinal(), end.toordinal() + inwards))
    rng = np.random.default_rng(0)
    drawn = {"".join(human_date(rng)[1]) for _ in range(30)}
    assert drawn == {end.isoformat(), date.fromordinal(end.toordinal() + inwards).isoformat()}


def test_every_format_and_every_case_occurs(monkeypatch):
    day = date(2003, 3, 2)
    monkeypatch.setattr(dates, "FIRST", day.toordinal())
    monkeypatch.setattr(dates, "LAST", day.toordinal())
    formats = [
        *("2003/03/02", "02.03.2003", "2.3.2003", "2 March 2003", "2 Mar 2003", "2-Mar-2003"),
        *("2nd March 2003", "2nd of March, 2003", "the 2nd of March 2003", "March 2, 2003"),
        *("March 2 2003", "March 2nd, 2003", "Mar 2, 2003", "2003 March 2"),
        *("Sunday, 2 March 2003", "Sunday 2nd March 2003", "Sunday, March 2, 2003"),
        "Sun 2 Mar 2003",
    ]
    rng = np.random.default_rng(0)
    drawn = {"".join(human_date(rng)[0]) for _ in range(1500)}
    assert drawn == {case(text) for text in formats for case in (str, str.lower, str.upper)}


def test_ordinals():
    expected = (
        "1st 2nd 3rd 4th 10th 11th 12th 13th 14th 20th 21st 22nd 23rd 24th 30th 31st 101st 111th"
    )
    assert [ordinal(int(word[:-2])) for word in expected.split()] == expected.split()


def test_the_same_seed_draws_the_same_date():
    assert human_date(np.random.default_rng(3)) == human_date(np.random.default_rng(3))
