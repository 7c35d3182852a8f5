"""The kinds of findings about recordings and their texts, in Russian."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workbench.api import KindWords

_LEARNS_WRONG = "Голос выучит эти звуки для букв, которые их не обозначают."
_NOT_NOTICED = "Неверный текст среди них останется незамеченным."
_CORRECT = "Прослушайте и исправьте текст или исключите строку (`workbench curate`)."
_OTHER = "ближе к тексту строки {best_line:plain}: расстояние {best_distance}, до своего {distance}, порог {threshold}"
_OWN = "расстояние {distance}, порог {threshold}; слышно «{heard}», по тексту «{expected}»"


def _words(summary: str, effect: str, fix: str, *facts: str) -> KindWords:
    return KindWords(summary=summary, effect=effect, fix=fix, facts=facts)


RUSSIAN: Mapping[str, KindWords] = MappingProxyType({
    "mismatch.swapped": _words(
        "у двух записей тексты друг друга", _LEARNS_WRONG,
        "Прослушайте обе и поменяйте в таблице имена их файлов (или `workbench curate take`).", _OTHER),
    "mismatch.shifted": _words(
        "записи подряд подходят к текстам других строк", _LEARNS_WRONG, "Сдвиньте имена их файлов на столько же строк.",
        "строки с {first_line:plain} по {last_line:plain}, сдвиг {offset} (больше нуля: вниз); подтверждают: "
        "{clips:clip}; расстояние {best_distance}, до своих текстов {distance}"),
    "mismatch.other-line": _words(
        "запись подходит к тексту другой строки", _LEARNS_WRONG,
        "Прослушайте и дайте ей текст, который в ней звучит (`workbench curate correct`).", _OTHER),
    "mismatch.text": _words(
        "запись от своего текста так же далека, как от любого другого", _LEARNS_WRONG, _CORRECT, _OWN),
    "mismatch.doubtful": _words(
        "запись дальше от своего текста, чем остальные от своих",
        "Часть текста может быть не произнесена или не записана, либо запись плохо слышно.", "Прослушайте.", _OWN),
    "mismatch.short": _words(
        "тексты, слишком короткие для сравнения", _NOT_NOTICED, "Прослушайте, если их тексты могут быть неверны.",
        "{clips:row}"),
    "mismatch.unheard": _words(
        "записи или тексты, которые нельзя было сравнить", _NOT_NOTICED, "Причины назовёт `workbench health`.",
        "{clips:row}"),
    "mismatch.unusable": _words(
        "этот датасет таким способом не оценить", "Неверные тексты останутся незамеченными.",
        "Прослушайте несколько записей и сравните их с текстами.", "обычное значение {median}"),
    "mismatch.unlikely": _words(
        "для обученного голоса запись с её текстом гораздо менее правдоподобна, чем остальные", _LEARNS_WRONG, _CORRECT,
        "выигрыш {gain}, обычный {median}, порог {threshold}"),
    "mismatch.changed": _words(
        "строки, которые появились или изменились после сравнения текстов", _NOT_NOTICED,
        "Сравните ещё раз (m на панели данных или `workbench mismatch`): время займут только они.", "{clips:row}"),
})  # fmt: skip
