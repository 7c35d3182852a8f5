"""What the health check prints, in Russian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SENTENCES: Mapping[str, str] = {
    "health.metadata": "таблица: {value}",
    "health.rows": "строк в таблице: {value:plain}",
    "health.clips": "прочитано строк: {value:plain}",
    "health.usable": "пригодны для обучения: {value:plain}",
    "health.dropped": "не попадут в обучение: {value:plain}",
    "health.excluded": "исключены вами: {value:plain}",
    "health.hours": "длительность записей, ч: {value:exact}",
    "health.usable_hours": "из неё пригодно, ч: {value:exact}",
    "health.speakers": "дикторов: {value:plain}",
    "health.language": "язык голоса: {value}",
    "health.sample_rate": "частота дискретизации голоса, Гц: {value:plain}",
    "health.phonemizer": "фонемизатор: {value}",
    "health.phonemizer_version": "версия фонемизатора: {value}",
    "health.compared": (
        "записи и тексты сравнены: {count:row} ({by}, {date:date}); новых и изменившихся с тех пор: {changed}"
    ),
    "health.not_compared": "записи и тексты: не сравнивались; это делает `workbench mismatch`",
    "health.findings": "находки: {told}",
    "health.more": "… и ещё {count:plain} (все выводит --all)",
    "health.fix": "[исправить: {command}]",
    "health.progress": "проверка датасета",
    "health.recordings": "записей",
}

NOUNS: Mapping[str, Sequence[str]] = {
    "blocks": ("запрет", "запрета", "запретов"), "drops": ("потеря", "потери", "потерь"),
    "warns": ("замечание", "замечания", "замечаний"), "info": ("справка", "справки", "справок"),
}  # fmt: skip
"""How findings of each severity are called and counted."""
