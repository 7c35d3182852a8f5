"""Russian."""

from __future__ import annotations

from types import MappingProxyType

from workbench.report.languages import ru_health
from workbench.report.languages.language import Language

_SENTENCES = {
    # Рамка документа.
    "title": "Отчёт о готовности: голос {voice}",
    "made": "Составлен {date:date}, Voice Workbench {version}; папка {folder}; язык голоса: {language}.",
    "conclusion": "Заключение",
    "ready": "ГОТОВО: обучению ничто не мешает.",
    "ready_warned": "ГОТОВО: обучению ничто не мешает; обратить внимание: {count:warning}.",
    "not_ready": "НЕ ГОТОВО, потому что:",
    "not_known": "НЕИЗВЕСТНО, готово ли, потому что:",
    "measured": "Каждый вывод измерен; после него указано, откуда он взят.",
    "not_adopted": "Файла workbench.toml нет: настройки такие, какие записала бы команда `workbench adopt`.",
    "head.what": "что",
    "head.value": "значение",
    "head.from": "откуда",
    "verdict.ok": "в порядке",
    "verdict.warning": "обратить внимание",
    "verdict.error": "не готово",
    "verdict.unknown": "неизвестно",
    "section.dataset": "Датасет",
    "section.configuration": "Конфигурация",
    "section.checkpoints": "Чекпоинты и экспорт",
    "section.dependencies": "Зависимости",
    "section.environment": "Среда",
    "section.scripts": "Скрипты",
    "section.model": "Модель",
    "section.logs": "Логирование",
    "section.summary": "Сводка",
    "section.recommendations": "Рекомендации",
    "section.remarks": "Замечания: что нужно для обучения",
    "quoted": "{text}",
    # Заголовки таблиц.
    "head.kind": "место на диске",
    "head.size": "размер",
    "head.files": "файлов",
    "head.place": "где",
    "head.checkpoint": "чекпоинт",
    "head.epoch": "эпоха",
    "head.step": "шаг",
    "head.date": "дата",
    "head.state": "состояние",
    "head.voice": "экспортированный голос",
    "head.json": ".onnx.json",
    "head.compared": "сравнён с чекпоинтом",
    "head.package": "пакет",
    "head.wanted": "нужен",
    "head.installed": "установлен",
    "head.option": "параметр",
    "head.path": "путь",
    "head.section": "раздел",
    "head.verdict": "вывод",
    "head.because": "почему",
    "kind.wavs": "записи",
    "kind.piper_cache": "кеш Piper",
    "kind.own_cache": "кеш workbench",
    "kind.checkpoints": "чекпоинты",
    "kind.voices": "экспортированные голоса",
    "kind.logs": "файлы событий",
    "kind.total": "всего",
    # Названия фактов.
    "fact.rows": "строк в таблице",
    "fact.recorded": "строк с записью",
    "fact.files": "файлов",
    "fact.sound_bytes": "размер записей",
    "fact.rate": "частота дискретизации",
    "fact.channels": "каналов",
    "fact.bits": "бит на отсчёт",
    "fact.seconds_by_header": "длительность по заголовкам",
    "fact.seconds_decoded": "длительность по декодированному звуку",
    "fact.usable": "записей, пригодных для обучения",
    "fact.median_length": "медианная длина записи",
    "fact.longest": "самая длинная запись",
    "fact.phonemizer": "фонемизатор",
    "fact.heard": "записи сравнены с текстами",
    "fact.asked": "то же обученным голосом",
    "fact.voice.name": "имя голоса",
    "fact.voice.language": "язык",
    "fact.voice.quality": "качество",
    "fact.audio.sample_rate": "частота голоса",
    "fact.training.batch_size": "батч на устройство",
    "fact.training.devices": "устройств",
    "fact.training.accelerator": "ускоритель",
    "fact.training.precision": "точность",
    "fact.training.epochs": "эпох",
    "fact.training.validation_split": "доля валидации",
    "fact.training.learning_rate": "скорость обучения",
    "fact.start.mode": "как берётся чекпоинт",
    "fact.checkpoints": "чекпоинтов",
    "fact.start": "обучение продолжится с",
    "fact.start_epoch": "его эпоха",
    "fact.voices": "экспортированных голосов",
    "fact.workbench": "voice-workbench",
    "fact.torch": "torch",
    "fact.torch_cuda": "CUDA в torch",
    "fact.driver_cuda": "новейшая CUDA драйвера",
    "fact.piper": "piper-tts",
    "fact.host": "машина",
    "fact.gpu": "GPU",
    "fact.cores": "ядер процессора",
    "fact.memory": "память",
    "fact.free_disk": "свободно на диске для запусков",
    "fact.container": "в контейнере",
    "fact.shared_memory": "разделяемая память",
    "fact.scripts": "скрипты",
    "fact.command": "команда обучения",
    "fact.options": "её параметров",
    "fact.generator": "параметров генератора",
    "fact.discriminators": "параметров дискриминаторов",
    "fact.symbols": "символов",
    "fact.encoder": "кодировщик текста",
    "fact.decoder": "декодер",
    "fact.durations": "предсказатель длительностей",
    "fact.speakers": "дикторов",
    "fact.runs": "запусков",
    "fact.event_bytes": "размер файлов событий",
    "fact.last_event": "последнее событие",
    "fact.tags": "кривые в нём",
    "fact.gpu_need": "память устройства",
    "fact.recorded_need": "с записанными шагами",
    "fact.disk_need": "диск для чекпоинтов",
    "fact.cache_need": "диск для подготовленных данных",
    "fact.epochs_an_hour": "эпох в час",
    "fact.time_left": "время до последней эпохи",
    # Значения.
    "value.none": "нет",
    "value.yes": "да",
    "value.no": "нет",
    "value.gpu": "{name}, {size:bytes}, занято {used:bytes}, драйвер {driver}",
    "value.compared": "{count:row}, {by}",
    "value.encoder": "{layers:layer}, ширина {width}",
    "value.decoder": "HiFi-GAN, блок {block}, {rates}",
    "value.stochastic": "стохастический",
    "value.plain_predictor": "обычный",
    "value.estimate": "оценка: {size:bytes}",
    "any_version": "любой",
    "not_installed": "не установлен",
    "cpu_only": "нет: собран для процессора",
    "state.whole": "цел",
    "state.good": "подходит",
    "state.wrong": "не подходит",
    "json.ok": "есть",
    "json.missing": "нет",
    "json.unusable": "непригоден",
    "compared.yes": "да, наибольшее расхождение {difference:short}",
    "compared.no": "никогда",
    "path.here": "есть",
    "path.moved": "здесь это {path}",
    "path.absent": "здесь нет",
    # Откуда.
    "evidence.headers": "заголовки: {count:file} в {folder}",
    "evidence.scan": "workbench health",
    "evidence.scan_tells": "скажет `workbench health`",
    "evidence.kept": "сохранено {date:date}",
    "evidence.judged": "{by}, {date:date}",
    "evidence.compare_tells": "скажет `workbench mismatch`",
    "evidence.archive": "оглавления файлов",
    "evidence.default": "значение по умолчанию",
    "evidence.default_piper": "значение Piper по умолчанию",
    "evidence.preset": "качество {quality}",
    "evidence.counted": "подсчитано в {file}",
    "evidence.longest_unknown": "нужна длина самой длинной записи: её скажет `workbench health`",
    "evidence.memory": (
        "{fixed:bytes} + {batch:clip} × ({clip:bytes} + {frame:bytes} на кадр; самая длинная запись: "
        "{longest:seconds}). Измерено на H200, {precision}"
    ),
    "evidence.recorded": "ещё один батч и {again:bytes} градиентов и рабочей памяти; по расчёту, не измерено",
    "evidence.disk_measured": "лучших {best} + последних {last} + 1 в записи, по {one:bytes}, как у новейшего здесь",
    "evidence.disk_usual": "лучших {best} + последних {last} + 1 в записи, по {one:bytes}, как обычно для {quality}",
    "evidence.cache": "длительность × частота × 2 Б",
    "evidence.no_speed": "скажут файлы событий с одной эпохой и более: `workbench walk` немного обучает",
    "evidence.speed": "{file}, последнее событие {date:date}",
    "evidence.left": "с этой скоростью, до эпохи {epochs}",
    # 1. Датасет.
    "dataset.unreadable": "Таблица не читается: {reason}",
    "dataset.no_rows": "{table}: нет ни одной строки, пригодной для обучения.",
    "dataset.no_recording": "В таблице {count:row}, и ни для одной нет записи в {folder}.",
    "dataset.missing": "Без записи: {missing:row} из {rows}.",
    "dataset.complete": "Таблица и записи сходятся: {rows:row}, у каждой есть запись.",
    "arithmetic.fits": (
        "Байты и часы сходятся: {time:time} × {rate:hertz} × {width} Б × {channels:channel} = {promised:bytes}; "
        "файлы занимают {size:bytes}."
    ),
    "arithmetic.fits_mixed": "Байты и часы сходятся: {time:time} в нескольких форматах — это {promised:bytes}; файлы "
    "занимают {size:bytes}.",
    "arithmetic.larger": (
        "Записи занимают {size:bytes}; как звук это {by_size:time} ({clip:seconds} на запись), а по заголовкам — "
        "{time:time}, то есть {promised:bytes}. Одно из двух неверно: в файлах лежит что-то ещё."
    ),
    "arithmetic.smaller": (
        "Заголовки обещают {time:time}, то есть {promised:bytes}; записи занимают {size:bytes}, этого хватит на "
        "{by_size:time}. Файлы обрезаны."
    ),
    "arithmetic.folder": (
        "Записи и кеши вместе занимают {total:bytes}; как звук это было бы {by_size:time} ({clip:seconds} на запись). "
        "Но звука здесь только {sound:bytes}, {time:time}; кеш занимает {cache:bytes}."
    ),
    "dataset.other_rate": "Не с частотой {wanted:hertz}: {count:file} из {files} (у большинства {rate:hertz}); при "
    "подготовке частота будет изменена.",
    "dataset.locked": "Не читаются: {count:file} в папке записей. Исправьте права доступа.",
    "cache.generations": (
        "{folder}: {size:bytes}, в {ratio:decimal} раза больше записей ({sound:bytes}); одно поколение кеша Piper "
        "больше их примерно в {one:decimal} раза. В нём {clips:entry} на {rows:row}, около "
        "{generations:generation.of}; ни к одной строке сегодняшней таблицы не относятся: {stale:entry} "
        "({stale_size:bytes}). Сам Piper их не удаляет."
    ),
    "cache.stale": "{folder}: элементов, не относящихся ни к одной строке сегодняшней таблицы: {stale} из {clips} "
    "({stale_size:bytes}). Сам Piper их не удаляет.",
    "cache.large": (
        "{folder}: {size:bytes}, в {ratio:decimal} раза больше записей ({sound:bytes}); одно поколение кеша Piper "
        "больше их примерно в {one:decimal} раза. По именам не видно, что устарело."
    ),
    "cache.several": "Кеши Piper лежат в нескольких местах: {places}, вместе {size:bytes}.",
    "dataset.too_few": "Пригодных для обучения записей: {usable}; нужно хотя бы две, и хотя бы одна вне валидации.",
    "dataset.not_scanned": "Ни одна запись не декодирована, ни один текст не прочитан: что в них, неизвестно.",
    "dataset.scan_failed": "Датасет не удалось проверить: {reason}",
    "scan.blocks": "Не даёт начать обучение: {rule}, {count:finding}, например: {example}",
    "scan.drops": "Не попадёт в обучение: {rule}, {count:finding}, например: {example}",
    "scan.warns": "Обратить внимание: {rule}, {count:finding}, например: {example}",
    "finding.measured": "{summary}: {fact}. {effect} {fix}",
    "finding.rows": "{summary}: {rows:row} ({lines}). {effect} {fix}",
    "finding.bare": "{summary}. {effect} {fix}",
    "scan.more": "И другие виды находок: {count}.",
    "scan.clean": "Декодировано и прочитано без замечаний: {count:clip}.",
    "compared.warns": "Обратить внимание: {rule}, {count:finding} (строки {lines}), например: {example}",
    "compared.clean": "Тексты сравнены с записями, ни один не выделяется: {count:row}.",
    "compared.outdated": "Уже не верны, так как строки изменились: {count:finding}. Что в них теперь, неизвестно.",
    "compared.unusable": "Произносят ли записи свои тексты, неизвестно: {example}",
    # 2. Конфигурация.
    "configuration.file": "Настройки взяты из {file}.",
    "configuration.proposed": "Настройки прочитаны из {source}; файл не записан.",
    "configuration.unknown": "У Piper нет параметра {flag}; {hint}?",
    "configuration.unknown_plain": "У Piper нет параметра {flag}.",
    "configuration.more": "Ещё сообщает `workbench adopt`: {count:line}.",
    # 3. Чекпоинты и экспорт.
    "checkpoints.not_here": "{file}: обучение должно продолжиться с этого файла, а его здесь нет.",
    "checkpoints.broken": "{file}: {problem}",
    "checkpoints.whole": "Целы по оглавлению: {count:checkpoint}.",
    "checkpoints.none": "Чекпоинтов нет: обучение начнётся с нуля.",
    "order.voice": (
        "Экспортированный голос {voice}, судя по имени, сделан на эпохе {voice_epoch:plain}, а самый поздний чекпоинт, "
        "{file}, — на эпохе {epoch:plain}. Придётся заново пройти {behind:epoch.acc}, либо чекпоинт эпохи "
        "{voice_epoch:plain} лежит в другом месте. Сначала найдите его; если он утерян, отложите этот голос в сторону."
    ),
    "order.voice_alone": (
        "Экспортированный голос {voice}, судя по имени, сделан на эпохе {voice_epoch:plain}, а чекпоинта нет ни одной "
        "эпохи: обучение начнётся заново."
    ),
    "order.start": (
        "Обучение продолжится с {file}, эпоха {epoch:plain}, хотя {later} — это эпоха {later_epoch:plain}: заново "
        "придётся пройти {behind:epoch.acc}."
    ),
    "order.done": "Пройдено {epochs:epoch}, а нужно {wanted}: обучать больше нечего. Увеличьте epochs.",
    "counters.unknown": "Счётчики {file} не сверены: файл их не сообщает или записей здесь нет.",
    "counters.fit": (
        "epoch={epoch:plain}-step={step:plain} сходится с данными: {clips:clip}, батч {batch}, {devices:device}; для "
        "обучения {training}, {batches:batch} × 2 оптимизатора × {epochs:epoch} = {expected}."
    ),
    "counters.other": (
        "epoch={epoch:plain}-step={step:plain} не сходится с данными: {clips:clip}, батч {batch}, {devices:device}; "
        "{batches:batch} × 2 оптимизатора × {epochs:epoch} = {expected}, а не {step}. Данные или настройки были "
        "другими."
    ),
    "exports.small": "{voice} занимает {size:bytes}: целый голос таким не бывает.",
    "exports.json_missing": "{voice}: рядом нет .onnx.json; без него голос ничем не озвучить.",
    "exports.json_unusable": "{voice}: его .onnx.json непригоден (в нём нет phoneme_id_map).",
    "exports.not_compared": "Никогда не сравнивались с чекпоинтом, и что они говорят, неизвестно: {count:voice}.",
    "exports.compared": "Сравнены со своими чекпоинтами: {count:voice}.",
    # 4. Зависимости.
    "packages.good": "Установлены как нужно: {count:package}.",
    "packages.wrong": "Установлен {name} {installed}, а нужен {wanted}.",
    "packages.missing": "Нужен {name} {wanted}, а он не установлен.",
    "packages.unknown": "У {name} здесь нет метаданных, и что ему нужно, неизвестно.",
    "packages.pinned": "Проект ставит torch {version}, а workbench нужен {wanted}: дайте ему собственное окружение.",
    "packages.piper_here": (
        "piper_version {version} в config.json поколение Piper пишет в каждый файл; об установленном это не говорит "
        "ничего: piper-tts {installed}, torch {torch}."
    ),
    "packages.piper_absent": (
        "piper_version {version} в config.json поколение Piper пишет в каждый файл; об установленном это не говорит "
        "ничего: piper-tts нет, torch {torch}. Для workbench Piper не нужен."
    ),
    "cuda.cpu_build": "torch {torch} собран только для процессора, а здесь есть {gpu}.",
    "cuda.unknown": "Подходят ли друг другу torch и драйвер, неизвестно.",
    "cuda.fits": "torch собран для CUDA {built}, драйвер поддерживает до {driver}.",
    "cuda.driver_old": "torch собран для CUDA {built}, драйвер поддерживает до {driver}: обновите что-то из двух.",
    # 5. Среда.
    "gpu.no_tool": "нет nvidia-smi",
    "gpu.wanted": "Настройки требуют CUDA ({devices:device}), а GPU здесь нет.",
    "gpu.too_few": "По настройкам нужно {devices:device}, GPU здесь: {count}.",
    "gpu.enough": "Нужно GPU: {devices}, есть: {count}.",
    "gpu.cpu": "GPU здесь нет: качество {quality} обучалось бы на процессоре, а для этого рассчитано только tiny.",
    "gpu.tiny": "Качество tiny обучается на процессоре.",
    "disk.none": "Свободно {free:bytes}; два чекпоинта занимают {two:bytes}, и обучение не начнётся.",
    "disk.little": "Свободно {free:bytes}; {count:checkpoint} по {one:bytes} — это {needed:bytes}.",
    "disk.enough": "Свободно {free:bytes}; {count:checkpoint} по {one:bytes} — это {needed:bytes}.",
    "disk.unknown": "Сколько места свободно на диске, узнать не удалось.",
    "container.shared_memory": (
        "У контейнера {size:bytes} разделяемой памяти, через которую процессы передают батчи; дайте больше "
        "(--shm-size 8g или ipc: host)."
    ),
    # 6. Скрипты.
    "scripts.none": "Скриптов обучения Piper нет; для `workbench train` они не нужны.",
    "scripts.none_here": "Скриптов обучения Piper нет: настройки взяты из другого места.",
    "scripts.path": "{flag} {path}: здесь такого нет.",
    "scripts.paths_good": "Каждый путь команды ведёт к тому, что здесь есть.",
    "scripts.no_effect": "Ничего не делают: {count:option} ({flags}).",
    "scripts.loose": (
        "{script}: начиная со строки {line:plain}, нет обратной косой черты в конце (таких строк: {count}): оболочка "
        "закончит на ней команду и отбросит параметры дальше. Здесь они прочитаны как одна команда."
    ),
    "scripts.unclosed": "{script}: в строке {line:plain} не закрыта кавычка или скобка.",
    # 7. Модель.
    "model.fresh": "Новая модель качества {quality}.",
    "model.fits": "У чекпоинта столько же параметров, сколько у качества {quality}: {count}.",
    "model.differs": "В генераторе {file} {found:parameter}, у качества {quality} их {wanted}.",
    "model.speakers": "В генераторе {count:parameter} вместе с таблицей дикторов.",
    "model.no_weights": "{file} не описывает ни одного веса: продолжать с него нечего.",
    "model.lacks": "{file}: не хватает памяти тензоров, {count}: файл повреждён.",
    "model.not_told": "До весов {file} дойти не удалось, и архитектура неизвестна.",
    # 8. Логирование.
    "logs.none": "Файлов событий ещё нет: их запишет первое обучение.",
    "logs.good": "Файлов с событиями среди новейших: {count}.",
    "logs.empty": "Файлов без единого события: {count}, например {file}.",
    "watch.screen": "кривые в терминале",
    "watch.lines": "потери построчно",
    "watch.tensorboard": "те же кривые в браузере",
    # 10. Рекомендации.
    "do.adopt": "записать настройки в workbench.toml; больше в проекте ничего не меняется",
    "do.health": "увидеть каждую строку и запись, с которой что-то не так",
    "do.compare": (
        "услышать, произносит ли каждая запись свой текст; около пяти минут на час речи (на панели данных: m)"
    ),
    "do.compare_again": "услышать строки, новые и изменившиеся после сравнения с текстами: {count:row}",
    "do.compare_voice": "спросить обученный голос, какие записи не подходят к своим текстам; {reason}",
    "do.compare_first": "{what}; сначала: {reason}",
    "do.doctor": "увидеть, чего не хватает машине и как это исправить",
    "do.find": "поискать на этой машине чекпоинт эпохи {epoch:plain}",
    "do.set_aside": "только если он утерян: согласиться начать с эпохи {epoch:plain}",
    "do.plan": "увидеть, с чего начнётся обучение; ничего не запускает",
    "do.train": "обучать; закрытый терминал обучения не прервёт",
    "do.follow": "наблюдать",
    "do.export": "записать лучший чекпоинт как голос и сравнить их",
    "do.speak": "послушать",
    # 11. Замечания.
    "memory.enough": "По оценке устройству нужно {need:bytes}; у меньшего GPU {has:bytes}.",
    "memory.too_little": (
        "По оценке при батче {batch} устройству нужно {need:bytes}; у меньшего GPU {has:bytes}. Уменьшите батч."
    ),
    "memory.recorded": (
        "По расчёту записанным шагам вместе с обычными нужно {need:bytes}; у меньшего GPU {has:bytes}. Запуск "
        "откажется от записи. Уменьшите батч или поставьте cuda_graphs = false."
    ),
    "time.unknown": "Сколько займёт обучение, неизвестно: ни один файл событий не говорит о скорости.",
    "time.elsewhere": "Скорость измерена на машине {host}, а эта машина — {here}.",
    "copies.one": "{file} ({size:bytes}) — единственный целый чекпоинт: до обучения скопируйте его на другой диск.",
}


def _plural(count: int) -> int:
    """1, 21: the first form; 2 to 4, 22: the second; 5 to 20 and all else: the third."""
    if count % 10 == 1 and count % 100 != 11:
        return 0
    return 1 if count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14) else 2


RUSSIAN = Language(
    name="ru",
    sentences=MappingProxyType({**_SENTENCES, **ru_health.SENTENCES}),
    nouns=MappingProxyType(
        {
            "warning": ("замечание", "замечания", "замечаний"), "file": ("файл", "файла", "файлов"),
            "row": ("строка", "строки", "строк"), "clip": ("запись", "записи", "записей"),
            "entry": ("элемент", "элемента", "элементов"), "generation.of": ("поколения", "поколений", "поколений"),
            "finding": ("находка", "находки", "находок"), "line": ("строка", "строки", "строк"),
            "checkpoint": ("чекпоинт", "чекпоинта", "чекпоинтов"), "epoch": ("эпоха", "эпохи", "эпох"),
            "epoch.acc": ("эпоху", "эпохи", "эпох"), "device": ("устройство", "устройства", "устройств"),
            "batch": ("батч", "батча", "батчей"), "voice": ("голос", "голоса", "голосов"),
            "package": ("пакет", "пакета", "пакетов"), "option": ("параметр", "параметра", "параметров"),
            "layer": ("слой", "слоя", "слоёв"), "channel": ("канал", "канала", "каналов"),
            "parameter": ("параметр", "параметра", "параметров"), **ru_health.NOUNS,
        }
    ),
    plural=_plural,
    thousands="\N{NO-BREAK SPACE}",
    decimal=",",
    sizes=("Б", "КБ", "МБ", "ГБ", "ТБ"),
    times=("{} с", "{} мин", "{} ч", "{} дн."),
    date="%d.%m.%Y %H:%M",
    hertz="Гц",
    seconds="{} с",
    unknown="неизвестно",
)  # fmt: skip
