"""One language: sentences, nouns, numbers."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core_vits.errors import in_one_line
from workbench.report.records import Form, Quantity, Said, Text

_SENTENCE_END = re.compile(r"(?<=[.:])\s+(?=[A-ZА-Я])|; ")
_LONGEST_FOREIGN = 2000
"""Characters."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass(frozen=True, kw_only=True)
class Language:
    """How a report is put into words."""

    name: str
    """`en`."""
    sentences: Mapping[str, str]
    nouns: Mapping[str, Sequence[str]]
    """Forms of each noun, as many as `plural` tells apart."""
    plural: Callable[[int], int]
    """Which form stands with a number."""
    thousands: str
    decimal: str
    sizes: Sequence[str]
    """Units from bytes to terabytes, powers of 1000."""
    times: Sequence[str]
    """Formats of seconds, minutes, hours and days."""
    date: str
    """For `time.strftime`."""
    hertz: str
    seconds: str
    """Format of a number of seconds with decimals."""
    unknown: str

    def text(self, text: Text | Said | str) -> str:
        """A sentence; what is a string is foreign and stays as it is."""
        if isinstance(text, str):
            return _foreign(text)
        if isinstance(text, Said):
            where = f"{_foreign(text.where)}: " if text.where else ""
            own = text.others.get(self.name)
            return where + (_foreign(text.english) if own is None else self.text(own))
        return _Formatter(self).vformat(self.sentences[text.key], (), text.values)

    def quantity(self, quantity: Quantity) -> str:
        """A value as it is written; `unknown` for None."""
        return self.unknown if quantity.value is None else self.value(quantity.value, quantity.unit)

    def value(self, value: Any, unit: str) -> str:
        """A value in a format of this module, or with a noun; of a text, `first` takes the first sentence."""
        if value is None:
            return "-"
        if isinstance(value, Form):
            return _Formatter(self).vformat(value.form, (), value.values)
        if isinstance(value, Text | Said):
            text = self.text(value)
            return _SENTENCE_END.split(text, maxsplit=1)[0] if unit == "first" else text
        if isinstance(value, str):
            return _foreign(value)
        formats: dict[str, Callable[[Any], str]] = {
            "": self._plain,
            "plain": str,
            "bytes": self._size,
            "time": self._time,
            "date": self._date,
            "decimal": lambda number: self.number(number, 1),
            "seconds": self._seconds,
            "hertz": self._hertz,
            "share": lambda share: f"{self.number(100 * share, 0)} %",
            "exact": lambda number: f"{number:g}".replace(".", self.decimal),
            "short": lambda number: f"{number:.1e}",
        }
        own = formats.get(unit)
        return own(value) if own is not None else self._counted(value, unit)

    def number(self, value: float, decimals: int) -> str:
        """`1 234,5`."""
        text = f"{value:,.{decimals}f}"
        return text.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)

    def _plain(self, value: Any) -> str:
        if isinstance(value, float) and not value.is_integer():
            return f"{value:g}".replace(".", self.decimal)
        return self.number(value, 0)

    def _counted(self, value: int, noun: str) -> str:
        return f"{self.number(value, 0)} {self.nouns[noun][self.plural(value)]}"

    def _size(self, value: float) -> str:
        unit = 0
        while value >= 999.5 and unit < len(self.sizes) - 1:
            value, unit = value / 1000, unit + 1
        decimals = (0, 0, 0, 1, 1)[unit] if value < 99.5 or unit >= 3 else 0
        if unit == 3 and value < 9.995:
            decimals = 2
        return f"{self.number(value, decimals)} {self.sizes[unit]}"

    def _time(self, seconds: float) -> str:
        """In the unit that suits; hours with a decimal, so that sums can be checked."""
        second, minute, hour, day = self.times
        if seconds < 2 * _MINUTE:
            return second.format(self.number(seconds, 1 if seconds < 10 else 0))
        if seconds < 2 * _HOUR:
            return minute.format(self.number(seconds / _MINUTE, 1 if seconds < 10 * _MINUTE else 0))
        if seconds < 14 * _DAY:
            return hour.format(self.number(seconds / _HOUR, 1 if seconds < 100 * _HOUR else 0))
        return day.format(self.number(seconds / _DAY, 0))

    def _date(self, moment: float) -> str:
        return time.strftime(self.date, time.localtime(moment))

    def _hertz(self, value: int) -> str:
        return f"{self.number(value, 0)} {self.hertz}"

    def _seconds(self, value: float) -> str:
        return self.seconds.format(self.number(value, 1))


def _foreign(text: str) -> str:
    """Names of files may have line ends in them, and commands for the terminal."""
    return in_one_line(text, _LONGEST_FOREIGN)


class _Formatter(string.Formatter):
    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        return self._language.value(value, format_spec)
