"""Dates as people write them, to be put in the form of ISO 8601."""

from datetime import date

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# All digits only where nobody can mistake the day for the month: the year first with slashes, or dots, which always
# mean day, month, year. "3/9/2024" is September to some and March to others, so it is not here.
FORMATS = (
    "{year}/{month:02}/{day:02}",
    "{day:02}.{month:02}.{year}",
    "{day}.{month}.{year}",
    "{day} {name} {year}",
    "{day} {short} {year}",
    "{day}-{short}-{year}",
    "{ordinal} {name} {year}",
    "{ordinal} of {name}, {year}",
    "the {ordinal} of {name} {year}",
    "{name} {day}, {year}",
    "{name} {day} {year}",
    "{name} {ordinal}, {year}",
    "{short} {day}, {year}",
    "{year} {name} {day}",
    "{weekday}, {day} {name} {year}",
    "{weekday} {ordinal} {name} {year}",
    "{weekday}, {name} {day}, {year}",
    "{short_weekday} {day} {short} {year}",
)
FIRST, LAST = date(1950, 1, 1).toordinal(), date(2049, 12, 31).toordinal()


def human_date(rng):
    """Return (characters of a date as people write it, characters of the same date as "2024-03-09").

    Any day from 1950 to 2049, in any of FORMATS, as it is or all in lower case or all in capitals. Weekdays are right.
    """
    day = date.fromordinal(int(rng.integers(FIRST, LAST + 1)))
    name, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    text = FORMATS[rng.integers(len(FORMATS))].format(
        year=day.year,
        month=day.month,
        day=day.day,
        name=name,
        short=name[:3],
        ordinal=ordinal(day.day),
        weekday=weekday,
        short_weekday=weekday[:3],
    )
    text = (text, text.lower(), text.upper())[rng.integers(3)]
    return list(text), list(day.isoformat())


def ordinal(n):
    """Return "1st", "2nd", "3rd", "4th", "11th", "21st" for the whole number n above 0."""
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"
