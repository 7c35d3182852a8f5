"""English."""

from __future__ import annotations

from types import MappingProxyType

from workbench.report.languages import en_health
from workbench.report.languages.language import Language

_SENTENCES = {
    # The frame of the document.
    "title": "Readiness report: voice {voice}",
    "made": "Made {date:date} by Voice Workbench {version}; folder {folder}; language of the voice {language}.",
    "conclusion": "Conclusion",
    "ready": "READY: nothing stands against a training.",
    "ready_warned": "READY: nothing stands against a training; to look at: {count:warning}.",
    "not_ready": "NOT READY, because:",
    "not_known": "NOT KNOWN to be ready, because:",
    "measured": "Every verdict is measured; the place behind it says where.",
    "not_adopted": "There is no workspace file: the settings are those that `workbench adopt` would write.",
    "head.what": "what",
    "head.value": "value",
    "head.from": "read from",
    "verdict.ok": "ok",
    "verdict.warning": "look at this",
    "verdict.error": "not ready",
    "verdict.unknown": "not known",
    "section.dataset": "Dataset",
    "section.configuration": "Configuration",
    "section.checkpoints": "Checkpoints and exports",
    "section.dependencies": "Dependencies",
    "section.environment": "Environment",
    "section.scripts": "Scripts",
    "section.model": "Model",
    "section.logs": "Logging",
    "section.summary": "Summary",
    "section.recommendations": "Recommendations",
    "section.remarks": "Remarks: what a training needs",
    "quoted": "{text}",
    # Heads of tables.
    "head.kind": "size on disk",
    "head.size": "size",
    "head.files": "files",
    "head.place": "where",
    "head.checkpoint": "checkpoint",
    "head.epoch": "epoch",
    "head.step": "step",
    "head.date": "date",
    "head.state": "state",
    "head.voice": "exported voice",
    "head.json": ".onnx.json",
    "head.compared": "compared with its checkpoint",
    "head.package": "package",
    "head.wanted": "needed",
    "head.installed": "installed",
    "head.option": "option",
    "head.path": "path",
    "head.section": "section",
    "head.verdict": "verdict",
    "head.because": "because",
    "kind.wavs": "recordings",
    "kind.piper_cache": "cache of Piper",
    "kind.own_cache": "cache of the workbench",
    "kind.checkpoints": "checkpoints",
    "kind.voices": "exported voices",
    "kind.logs": "event files",
    "kind.total": "together",
    # Names of facts.
    "fact.rows": "rows of the table",
    "fact.recorded": "rows with a recording",
    "fact.files": "files",
    "fact.sound_bytes": "size of the recordings",
    "fact.rate": "sample rate",
    "fact.channels": "channels",
    "fact.bits": "bits a sample",
    "fact.seconds_by_header": "length by the headers",
    "fact.seconds_decoded": "length, decoded",
    "fact.usable": "clips that can be trained",
    "fact.median_length": "median length of a clip",
    "fact.longest": "longest clip",
    "fact.phonemizer": "phonemizer",
    "fact.heard": "recordings compared with their texts",
    "fact.asked": "the same, by a trained voice",
    "fact.voice.name": "name of the voice",
    "fact.voice.language": "language",
    "fact.voice.quality": "quality",
    "fact.audio.sample_rate": "sample rate of the voice",
    "fact.training.batch_size": "batch of a device",
    "fact.training.devices": "devices",
    "fact.training.accelerator": "accelerator",
    "fact.training.precision": "precision",
    "fact.training.epochs": "epochs",
    "fact.training.validation_split": "held back for validation",
    "fact.training.learning_rate": "learning rate",
    "fact.start.mode": "a checkpoint is taken as",
    "fact.checkpoints": "checkpoints",
    "fact.start": "training goes on from",
    "fact.start_epoch": "its epoch",
    "fact.voices": "exported voices",
    "fact.workbench": "voice-workbench",
    "fact.torch": "torch",
    "fact.torch_cuda": "CUDA of torch",
    "fact.driver_cuda": "newest CUDA of the driver",
    "fact.piper": "piper-tts",
    "fact.host": "machine",
    "fact.gpu": "GPU",
    "fact.cores": "CPU cores",
    "fact.memory": "memory",
    "fact.free_disk": "free disk for runs",
    "fact.container": "in a container",
    "fact.shared_memory": "shared memory",
    "fact.scripts": "scripts",
    "fact.command": "training command",
    "fact.options": "its options",
    "fact.generator": "parameters of the generator",
    "fact.discriminators": "parameters of the discriminators",
    "fact.symbols": "symbols",
    "fact.encoder": "text encoder",
    "fact.decoder": "decoder",
    "fact.durations": "duration predictor",
    "fact.speakers": "speakers",
    "fact.runs": "runs",
    "fact.event_bytes": "size of the event files",
    "fact.last_event": "last event",
    "fact.tags": "curves in it",
    "fact.gpu_need": "memory of a device",
    "fact.recorded_need": "with recorded steps",
    "fact.disk_need": "disk for checkpoints",
    "fact.cache_need": "disk for the prepared data",
    "fact.epochs_an_hour": "epochs an hour",
    "fact.time_left": "time to the last epoch",
    # Values.
    "value.none": "none",
    "value.yes": "yes",
    "value.no": "no",
    "value.gpu": "{name}, {size:bytes}, {used:bytes} in use, driver {driver}",
    "value.compared": "{count:row} by {by}",
    "value.encoder": "{layers:layer}, width {width}",
    "value.decoder": "HiFi-GAN, residual block {block}, {rates}",
    "value.stochastic": "stochastic",
    "value.plain_predictor": "plain",
    "value.estimate": "estimate: {size:bytes}",
    "any_version": "any",
    "not_installed": "not installed",
    "cpu_only": "none: built for the CPU",
    "state.whole": "whole",
    "state.good": "good",
    "state.wrong": "wrong",
    "json.ok": "there",
    "json.missing": "missing",
    "json.unusable": "can't be used",
    "compared.yes": "yes, largest difference {difference:short}",
    "compared.no": "never",
    "path.here": "is here",
    "path.moved": "is {path} here",
    "path.absent": "is not here",
    # Evidence.
    "evidence.headers": "headers of {count:file} in {folder}",
    "evidence.scan": "workbench health",
    "evidence.scan_tells": "`workbench health` would tell",
    "evidence.kept": "kept since {date:date}",
    "evidence.judged": "{by}, {date:date}",
    "evidence.compare_tells": "`workbench mismatch` would tell",
    "evidence.archive": "tables of contents of the files",
    "evidence.default": "default",
    "evidence.default_piper": "default of Piper",
    "evidence.preset": "quality {quality}",
    "evidence.counted": "counted in {file}",
    "evidence.longest_unknown": "the length of the longest clip would tell: `workbench health`",
    "evidence.memory": (
        "{fixed:bytes} + {batch:clip} × ({clip:bytes} + {frame:bytes} a frame; the longest clip has "
        "{longest:seconds}). Measured on an H200 in {precision}"
    ),
    "evidence.recorded": "a second batch and {again:bytes} of gradients and workspaces more; arithmetic, not measured",
    "evidence.disk_measured": "{best} best + {last} last + 1 being written, {one:bytes} each, as the newest one here",
    "evidence.disk_usual": "{best} best + {last} last + 1 being written, {one:bytes} each, usual for {quality}",
    "evidence.cache": "length × sample rate × 2 B",
    "evidence.no_speed": "event files with an epoch or more would tell: `workbench walk` trains a little",
    "evidence.speed": "{file}, last event {date:date}",
    "evidence.left": "at that speed, to epoch {epochs}",
    # 1. Dataset.
    "dataset.unreadable": "The table can't be read: {reason}",
    "dataset.no_rows": "{table}: there is no row that could be trained.",
    "dataset.no_recording": "Of {count:row}, none has a recording in {folder}.",
    "dataset.missing": "Without a recording: {missing:row} of {rows}.",
    "dataset.complete": "Table and recordings fit: {rows:row}, each with its recording.",
    "arithmetic.fits": (
        "Bytes and hours fit: {time:time} × {rate:hertz} × {width} B × {channels:channel} = {promised:bytes}; the "
        "files have {size:bytes}."
    ),
    "arithmetic.fits_mixed": "Bytes and hours fit: {time:time} of several formats are {promised:bytes}; the files "
    "have {size:bytes}.",
    "arithmetic.larger": (
        "The recordings have {size:bytes}, which as sound is {by_size:time} ({clip:seconds} a clip); their headers "
        "promise {time:time}, which is {promised:bytes}. One of the two is wrong: something else lies in the files."
    ),
    "arithmetic.smaller": (
        "The headers promise {time:time}, which is {promised:bytes}; the recordings have {size:bytes}, enough for "
        "{by_size:time}. Files are cut off."
    ),
    "arithmetic.folder": (
        "Recordings and caches together have {total:bytes}, which as sound would be {by_size:time} ({clip:seconds} a "
        "clip). It is not: only {sound:bytes} is sound, {time:time}; {cache:bytes} is cache."
    ),
    "dataset.other_rate": "Not at {wanted:hertz}: {count:file} of {files} (most have {rate:hertz}); they are "
    "resampled.",
    "dataset.locked": "Can't be read: {count:file} in the folder of the recordings. Correct the permissions.",
    "cache.generations": (
        "{folder}: {size:bytes}, {ratio:decimal} times the recordings ({sound:bytes}); one generation of Piper's cache "
        "is about {one:decimal} times. It holds {clips:entry} for {rows:row}, about {generations:generation}: "
        "{stale:entry} ({stale_size:bytes}) belong to no row of today's table. Piper removes none by itself."
    ),
    "cache.stale": "{folder}: entries that belong to no row of today's table: {stale} of {clips} ({stale_size:bytes}). "
    "Piper removes none by itself.",
    "cache.large": (
        "{folder}: {size:bytes}, {ratio:decimal} times the recordings ({sound:bytes}); one generation of Piper's cache "
        "is about {one:decimal} times. Its names do not tell what is old."
    ),
    "cache.several": "Piper's caches lie in several places: {places}, {size:bytes} together.",
    "dataset.too_few": "Clips that can be trained: {usable}; two are wanted, and one of them outside of validation.",
    "dataset.not_scanned": "No recording was decoded and no text read: what is in them is not known.",
    "dataset.scan_failed": "The dataset can't be looked at: {reason}",
    "scan.blocks": "Blocks a training, {count:finding} of {rule}, for instance {example}",
    "scan.drops": "Not trained, {count:finding} of {rule}, for instance {example}",
    "scan.warns": "To look at, {count:finding} of {rule}, for instance {example}",
    "finding.measured": "{summary}: {fact}. {effect} {fix}",
    "finding.rows": "{summary}: {rows:row} ({lines}). {effect} {fix}",
    "finding.bare": "{summary}. {effect} {fix}",
    "scan.more": "And more kinds of findings: {count}.",
    "scan.clean": "Decoded and read, with nothing to object: {count:clip}.",
    "compared.warns": "To look at, {count:finding} of {rule} (lines {lines}), for instance {example}",
    "compared.clean": "Text and recording compared of {count:row}: none stands out.",
    "compared.outdated": "No longer true, since rows have changed: {count:finding}. What these say now is not known.",
    "compared.unusable": "Whether recordings say their texts is not known: {example}",
    # 2. Configuration.
    "configuration.file": "The settings are those of {file}.",
    "configuration.proposed": "The settings are read from {source}; no file was written.",
    "configuration.unknown": "{flag} is no option of Piper; {hint}?",
    "configuration.unknown_plain": "{flag} is no option of Piper.",
    "configuration.more": "More that `workbench adopt` tells: {count:line}.",
    # 3. Checkpoints and exports.
    "checkpoints.not_here": "{file}: training is to go on from it, and it is not here.",
    "checkpoints.broken": "{file}: {problem}",
    "checkpoints.whole": "Whole by their tables of contents: {count:checkpoint}.",
    "checkpoints.none": "No checkpoint: a training begins from scratch.",
    "order.voice": (
        "The exported voice {voice} is of epoch {voice_epoch:plain}, by its name; the furthest checkpoint, {file}, is "
        "of epoch {epoch:plain}. Training would repeat {behind:epoch}, or the checkpoint of epoch {voice_epoch:plain} "
        "is elsewhere. Find it first; if it is lost, set the voice aside."
    ),
    "order.voice_alone": (
        "The exported voice {voice} is of epoch {voice_epoch:plain}, by its name, and there is no checkpoint of any "
        "epoch: training would begin anew."
    ),
    "order.start": (
        "Training goes on from {file}, epoch {epoch:plain}, though {later} is of epoch {later_epoch:plain}: "
        "{behind:epoch} would be trained again."
    ),
    "order.done": "Trained are {epochs:epoch}, and {wanted} are wanted: nothing is left to train. Raise epochs.",
    "counters.unknown": "The counters of {file} were not compared: it does not tell them, or no clip is here.",
    "counters.fit": (
        "epoch={epoch:plain}-step={step:plain} fits {clips:clip}, batch {batch} on {devices:device}: {training} for "
        "training, {batches:batch} × 2 optimizers × {epochs:epoch} = {expected}."
    ),
    "counters.other": (
        "epoch={epoch:plain}-step={step:plain} does not fit {clips:clip}, batch {batch} on {devices:device}: "
        "{batches:batch} × 2 optimizers × {epochs:epoch} = {expected}, not {step}. It was trained with other data or "
        "settings."
    ),
    "exports.small": "{voice} has {size:bytes}: that is no whole voice.",
    "exports.json_missing": "{voice}: its .onnx.json is missing; nothing can speak it without.",
    "exports.json_unusable": "{voice}: its .onnx.json can't be used (no phoneme_id_map in it).",
    "exports.not_compared": "Never compared with a checkpoint, so what they say is not known: {count:voice}.",
    "exports.compared": "Compared with their checkpoints: {count:voice}.",
    # 4. Dependencies.
    "packages.good": "Installed as needed: {count:package}.",
    "packages.wrong": "{name} {installed} is installed, {wanted} is needed.",
    "packages.missing": "{name} {wanted} is needed and not installed.",
    "packages.unknown": "{name} has no metadata here, so what it needs is not known.",
    "packages.pinned": "The project installs torch {version}, the workbench needs {wanted}: give it an "
    "environment of its own.",
    "packages.piper_here": (
        "piper_version {version} in config.json is written into every file by a generation of Piper; it says nothing "
        "of what is installed: piper-tts {installed}, torch {torch}."
    ),
    "packages.piper_absent": (
        "piper_version {version} in config.json is written into every file by a generation of Piper; it says nothing "
        "of what is installed: no piper-tts, torch {torch}. The workbench needs no Piper."
    ),
    "cuda.cpu_build": "torch {torch} is built for the CPU only, and {gpu} is here.",
    "cuda.unknown": "Whether torch and the driver fit is not known.",
    "cuda.fits": "torch is built for CUDA {built}, the driver runs up to {driver}.",
    "cuda.driver_old": "torch is built for CUDA {built}, the driver runs up to {driver}: renew one of them.",
    # 5. Environment.
    "gpu.no_tool": "there is no nvidia-smi",
    "gpu.wanted": "The settings want CUDA ({devices:device}), and no GPU is here.",
    "gpu.too_few": "The settings want {devices:device}, GPUs here: {count}.",
    "gpu.enough": "GPUs wanted: {devices}, here: {count}.",
    "gpu.cpu": "No GPU is here: quality {quality} would be trained on the CPU, for which only tiny is made.",
    "gpu.tiny": "Quality tiny trains on a CPU.",
    "disk.none": "{free:bytes} are free; two checkpoints need {two:bytes}, so a training would not start.",
    "disk.little": "{free:bytes} are free; {count:checkpoint} of {one:bytes} need {needed:bytes}.",
    "disk.enough": "{free:bytes} are free; {count:checkpoint} of {one:bytes} need {needed:bytes}.",
    "disk.unknown": "How much disk is free can't be asked.",
    "container.shared_memory": (
        "The container has {size:bytes} of shared memory, through which processes pass batches; give it more "
        "(--shm-size 8g, or ipc: host)."
    ),
    # 6. Scripts.
    "scripts.none": "No script that trains with Piper; `workbench train` needs none.",
    "scripts.none_here": "No script that trains with Piper: the settings come from elsewhere.",
    "scripts.path": "{flag} {path}: is not here.",
    "scripts.paths_good": "Every path of the command leads to something here.",
    "scripts.no_effect": "Without effect here: {count:option} ({flags}).",
    "scripts.loose": (
        "{script}: from line {line:plain} on, lines without a backslash at the end ({count}): a shell ends the command "
        "there and drops the options behind. Here they were read as one command."
    ),
    "scripts.unclosed": "{script}: line {line:plain}, a quote or bracket is not closed.",
    # 7. Model.
    "model.fresh": "A new model of quality {quality}.",
    "model.fits": "The checkpoint has the parameters of quality {quality}: {count}.",
    "model.differs": "{file} has {found:parameter} in its generator, quality {quality} has {wanted}.",
    "model.speakers": "The generator has {count:parameter}, the table of speakers among them.",
    "model.no_weights": "{file} describes no weights: there is nothing to go on from.",
    "model.lacks": "{file}: the memory of {count} tensors is missing or too short: it is damaged.",
    "model.not_told": "{file} was not followed to its weights, so its architecture is not known.",
    # 8. Logging.
    "logs.none": "No event file yet: the first training writes one.",
    "logs.good": "Event files with events among the newest: {count}.",
    "logs.empty": "Event files without any event: {count}, for instance {file}.",
    "watch.screen": "the curves in the terminal",
    "watch.lines": "losses as lines",
    "watch.tensorboard": "the same curves in a browser",
    # 10. Recommendations.
    "do.adopt": "write the settings as workbench.toml; nothing else of the project is changed",
    "do.health": "see each row and recording that is not as it should be",
    "do.compare": (
        "hear whether every recording says its text; about five minutes for an hour of speech (in the data pane: m)"
    ),
    "do.compare_again": "hear what is new or has changed since recordings and texts were compared: {count:row}",
    "do.compare_voice": "ask the trained voice which clips do not fit their texts; {reason}",
    "do.compare_first": "{what}; before that: {reason}",
    "do.doctor": "see what the machine lacks, each with its remedy",
    "do.find": "look for the checkpoint of epoch {epoch:plain} on this machine",
    "do.set_aside": "only if it is lost: accept epoch {epoch:plain} as the beginning",
    "do.plan": "see what a training would begin with; starts nothing",
    "do.train": "train; closing the terminal does not end it",
    "do.follow": "watch it",
    "do.export": "write the best checkpoint as a voice and compare the two",
    "do.speak": "hear it",
    # 11. Remarks.
    "memory.enough": "By the estimate, a device needs {need:bytes}; the smallest GPU has {has:bytes}.",
    "memory.too_little": (
        "By the estimate, a device needs {need:bytes} with a batch of {batch}; the smallest GPU has {has:bytes}. Lower "
        "the batch."
    ),
    "memory.recorded": (
        "By arithmetic, recorded steps need {need:bytes} together with others; the smallest GPU has {has:bytes}. The "
        "run would give up recording. Lower the batch, or set cuda_graphs = false."
    ),
    "time.unknown": "How long a training takes is not known: no event file tells a speed.",
    "time.elsewhere": "The speed is that of {host}; this machine is {here}.",
    "copies.one": "{file} ({size:bytes}) is the only whole checkpoint: copy it to another disk before training.",
}

ENGLISH = Language(
    name="en",
    sentences=MappingProxyType({**_SENTENCES, **en_health.SENTENCES}),
    nouns=MappingProxyType(
        {
            "warning": ("warning", "warnings"), "file": ("file", "files"), "row": ("row", "rows"),
            "clip": ("clip", "clips"), "entry": ("entry", "entries"),
            "generation": ("generation", "generations"), "finding": ("finding", "findings"),
            "line": ("line", "lines"), "checkpoint": ("checkpoint", "checkpoints"), "epoch": ("epoch", "epochs"),
            "device": ("device", "devices"), "batch": ("batch", "batches"), "voice": ("voice", "voices"),
            "package": ("package", "packages"), "option": ("option", "options"), "layer": ("layer", "layers"),
            "channel": ("channel", "channels"), "parameter": ("parameter", "parameters"), **en_health.NOUNS,
        }
    ),
    plural=lambda count: int(count != 1),
    thousands=",",
    decimal=".",
    sizes=("B", "KB", "MB", "GB", "TB"),
    times=("{} s", "{} min", "{} h", "{} days"),
    date="%Y-%m-%d %H:%M",
    hertz="Hz",
    seconds="{} s",
    unknown="unknown",
)  # fmt: skip
