"""The kinds of findings that the scan itself makes, in Russian."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workbench.api import KindWords

_UNTRAINED = "Строка не попадёт в обучение."
_NOTHING = "Это ничего не меняет."
_AGAIN = "Удалите папку, если обучать будет Piper: он создаст её заново."
_THESE = "Удалите эти элементы."


def _words(summary: str, effect: str, fix: str, *facts: str) -> KindWords:
    return KindWords(summary=summary, effect=effect, fix=fix, facts=facts)


def failed_rule(name: str) -> KindWords:
    """Of a rule that raised."""
    return _words(
        f"правило {name} перестало работать", "То, что оно ищет, не проверено.",
        "Смотрите `workbench plugins` и сообщите автору правила.", "{reason}",
    )  # fmt: skip


RUSSIAN: Mapping[str, KindWords] = MappingProxyType({
    "metadata.blank": _words("пустая строка", "Piper на ней останавливается; здесь она пропущена.", "Удалите строку."),
    "metadata.bom": _words(
        "метка порядка байтов (BOM)", "Piper примет её за часть имени первого файла.",
        "Сохраните файл в UTF-8 без неё."),
    "metadata.columns": _words(
        "не хватает столбцов", _UNTRAINED, "Дополните строку.", "столбцов {count}, нужно {wanted}"),
    "metadata.control": _words("символ NUL", _UNTRAINED, "Удалите символ."),
    "metadata.correction": _words(
        "исправление текста, который с тех пор изменили", "Обучается текст из таблицы.",
        "Удалите исправление или сделайте его заново."),
    "metadata.encoding": _words(
        "байт не из UTF-8", _UNTRAINED, "Сохраните файл в UTF-8.", "байт {byte}"),
    "metadata.excluded": _words(
        "строка, которую вы исключили", _UNTRAINED, "Верните её, если это ошибка.", "причина: {why}"),
    "metadata.extra-columns": _words(
        "столбцов больше, чем в остальных строках", "Как текст обучается только последний.",
        "Уберите разделитель из текста.", "столбцов {count}, обычно {usual}; текстом стало «{text}»"),
    "metadata.file": _words("не указана запись", _UNTRAINED, "Дополните строку."),
    "metadata.ids": _words("нет номеров фонем", _UNTRAINED, "Исправьте последний столбец."),
    "metadata.long": _words("это не строка таблицы", _UNTRAINED, "Проверьте, тот ли это файл.", "{bytes:bytes}"),
    "metadata.quote": _words(
        "незакрытая кавычка", "Piper присоединит к строке следующие.", "Пишите « » или “ ”."),
    "metadata.swallowed": _words(
        "строки, которые проглотила кавычка", "В обучение они не попадут.",
        "Закройте кавычку или поставьте quoting = false.", "строки с {first} по {last}"),
    "phonemes.map": _words(
        "карту фонем нельзя использовать", "Обучение не начнётся.", "Исправьте файл, названный в [text] phoneme_map.",
        "{reason}"),
    "phonemes.none-installed": _words(
        "для языка нет фонемизатора", "Обучение не начнётся.", "Установите его или назовите в [text] phonemizer.",
        "{reason}"),
    "phonemes.drift": _words(
        "не тот фонемизатор или не та версия, с которой готовили запуск",
        "У тех же слов теперь другие фонемы, и обучение, которое продолжится, выучит два произношения.",
        "Установите прежнюю версию или обучайте с начала.", "{run}: было {before}, здесь {now}"),
    "curation.line": _words(
        "решение о строке, которое не читается или не относится ни к одной строке", _NOTHING,
        "Исправьте или удалите его."),
    "health.limit": _words("порог, которого не знает ни одно правило", _NOTHING, "Исправьте его имя в [health]."),
    "cache.stale": _words(
        "элементы, которые не относятся ни к одной строке таблицы", "Они только занимают место: Piper их не удаляет.",
        _AGAIN, "{entries} из {of}, {bytes:bytes}, от {days}; тексты, которые теперь в других строках: {moved}"),
    "cache.incomplete": _words(
        "строки без элемента кеша",
        "Piper подготовит их при следующем запуске, тогдашним фонемизатором и тогдашней обрезкой.",
        "Ничего, либо удалите папку, чтобы все элементы были одинаковыми.",
        "без элемента {absent}, неполных {partly}"),
    "cache.damaged": _words(
        "файлы, которые оборваны или не содержат тензора", "Дойдя до них, Piper остановится посреди эпохи.", _THESE,
        "элементов {entries}, например «{example}»"),
    "cache.rate": _words(
        "звук с другой частотой дискретизации, чем у голоса",
        "Piper возьмёт его как есть, и голос заговорит быстрее или медленнее, с другой высотой.", _AGAIN,
        "{entries} из {of}: {rate:hertz}, у голоса {wanted:hertz}; сравнено с записями {compared}"),
    "cache.hop": _words(
        "спектрограммы с другим шагом или окном", "Piper остановится или обучит спектрограммы на чужом звуке.", _AGAIN,
        "{entries} из {of}: полос {bins}, шаг около {hop} отсчётов"),
    "cache.sound": _words(
        "звук другой записи, чем у строки", "Piper обучает прежнюю запись.", _AGAIN,
        "сравнено {compared}, другой звук у {differ}; записей новее своего элемента: {newer}"),
    "cache.trim": _words(
        "тишина, которую сегодня обрезали бы", "Голос научится ждать; Piper до 1.5 начало не обрезал.", _AGAIN,
        "{entries} из {of} записей с долгой тишиной"),
    "cache.text": _words(
        "другой текст, чем в таблице", "Piper обучает прежний текст: в имени элемента только его начало.", _THESE,
        "таких элементов: {entries}"),
    "cache.phonemes": _words(
        "другие фонемы, чем даёт фонемизатор сегодня", "Piper обучает не то, что будет произнесено.", _AGAIN,
        "сравнено {compared}, другие у {differ}"),
})  # fmt: skip
