"""Each option of a command line becomes the setting that means the same, or is named with the reason why not."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from piper_project import make_dataset, silence

from workbench.adopt import Adoption, adopt
from workbench.adopt.voice_rules import language_of
from workbench.errors import ConfigError

BASE = "--data.csv_path metadata_2col.csv --data.audio_dir wavs --data.espeak_voice ru --data.voice_name probe"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a dataset of ten clips."""
    make_dataset(tmp_path, 10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(*options: str) -> Adoption:
    return adopt([f"python -m piper.train fit {BASE} {shlex.join(options)}"])


def legacy(*options: str) -> Adoption:
    return adopt([f"python -m piper_train --dataset-dir prepared {shlex.join(options)}"])


def setting(adoption: Adoption, name: str) -> Any:
    table, _, key = name.partition(".")
    return getattr(getattr(adoption.workspace, table), key)


# Options of a command line => the settings that they become.
BECOME = """
=> training.batch_size=32; training.epochs=1000000; training.seed=1234; training.num_workers=0
--data.batch_size=48 => training.batch_size=48
--data.batch_size 8 --data.batch_size 4 => training.batch_size=4
--data '{"batch_size": 6, "num_workers": 3}' => training.batch_size=6; training.num_workers=3
--data.validation_split=0 --data.num_test_examples=0 => training.validation_split=0.0; training.test_clips=0
--data.trim_silence false => audio.trim_silence=false
--data.keep_seconds_before_silence=0.5 => audio.keep_seconds_before=0.5
--data.keep_seconds_after_silence=1 => audio.keep_seconds_after=1.0
--model.learning_rate=1e-4 --model.learning_rate_d=5e-5 => training.learning_rate=1e-4; training.learning_rate_d=5e-5
--model.lr_decay=0.999 --model.lr_decay_d=0.998 => training.lr_decay=0.999; training.lr_decay_d=0.998
--model.c_mel=30 --model.c_kl=0.5 => training.mel_weight=30.0; training.kl_weight=0.5
--model.segment_size=16384 => training.segment_size=16384
--model.use_mrd=true => training.multi_resolution_discriminator=true
--model.sample_rate=16000 => audio.sample_rate=16000; voice.quality="low"
--model.sample_rate=44100 => audio.sample_rate=44100; voice.quality="medium"
--trainer.max_epochs=500 => training.epochs=500
--trainer.max_steps=1001 => training.max_steps=501
--seed_everything=7 => training.seed=7
--seed_everything=true => training.seed=1234
--trainer.precision=16-mixed => training.precision="16-mixed"
--trainer.precision=16 => training.precision="16-mixed"
--trainer.precision=bf16 => training.precision="bf16-mixed"
--trainer.precision=32 => training.precision="32-true"
--trainer.precision=64 => training.precision="32-true"
--trainer.accelerator=gpu => training.accelerator="cuda"
--trainer.accelerator=cpu => training.accelerator="cpu"; training.devices=1
--trainer.devices=2 => training.devices=2; training.launcher="ddp"
--trainer.devices=1 --trainer.strategy=ddp => training.devices=1; training.launcher="local"
--trainer.devices=[0,2,3] => training.devices=3; training.launcher="ddp"
--trainer.devices=0,1 => training.devices=2
--trainer.devices=-1 => training.devices=1
--trainer.check_val_every_n_epoch=5 => training.validate_every_epochs=5
--trainer.log_every_n_steps=25 => training.log_every_steps=25
--trainer.callbacks=ModelCheckpoint --trainer.callbacks.every_n_epochs=25 => training.checkpoint_every_epochs=25
--trainer.callbacks=x.ModelCheckpoint --trainer.callbacks.init_args.save_top_k=3 => training.keep_last=3
--data.dataset_type=phoneme_ids => dataset.type="phoneme_ids"
--data.phoneme_type=text => text.phonemizer="text"
--data.phoneme_type=espeak => text.phonemizer="auto"
--data.vowel_clusters '[["a", "ɪ"], ["o", "ʊ"]]' => text.vowel_clusters=[["a", "ɪ"], ["o", "ʊ"]]
--data.vowel_clusters clusters.json => text.vowel_clusters=[["e", "ɪ"]]
--data.phonemes_path /data/clusters.json => text.phoneme_map="clusters.json"
--model.num_speakers=3 => dataset.multi_speaker=true; dataset.speaker_order="appearance"; voice.quality="medium"
--model.num_speakers=3 --model.gin_channels=512 => voice.quality="medium"
--model.hidden_channels=96 --model.inter_channels=96 --model.filter_channels=384 => voice.quality="x-low"
--data.espeak_voice=en-us => voice.language="en-US"; text.espeak_voice=""
--data.espeak_voice=en-gb-x-rp => voice.language="en-GB"; text.espeak_voice="en-gb-x-rp"
--data.espeak_voice=cmn => voice.language="zh"; text.espeak_voice=""
--data.voice_name 'Мой голос/2' => voice.name="Мой_голос_2"
"""
HIGH = (
    "--model.resblock=1", "--model.resblock_kernel_sizes=(3,7,11)", "--model.upsample_initial_channel=512",
    "--model.resblock_dilation_sizes=((1,3,5),(1,3,5),(1,3,5))", "--model.upsample_rates=(8,8,2,2)",
    "--model.upsample_kernel_sizes=[16,16,4,4]",
)  # fmt: skip


@pytest.mark.parametrize("case", BECOME.strip().splitlines())
def test_options_become_settings(case: str, folder: Path) -> None:
    (folder / "clusters.json").write_text('[["e", "ɪ"]]', encoding="utf-8")
    options, _, settings = case.partition("=> ")
    adoption = fit(*shlex.split(options))
    for item in settings.split("; "):
        name, _, value = item.partition("=")
        found = setting(adoption, name)
        plain = [list(part) for part in found] if isinstance(found, tuple) else found
        assert plain == tomllib.loads(f"value = {value}")["value"], name


def test_the_best_by_another_measure_are_the_best_by_ours(folder: Path) -> None:
    callback = "--trainer.callbacks"
    adoption = fit(f"{callback}+=x.ModelCheckpoint", f"{callback}.save_top_k=3", f"{callback}.monitor=val_loss")
    assert adoption.workspace.training.keep_best == 3
    assert [item.note for item in adoption.mapped if item.setting == "training.keep_best"] == [
        "by val_mel, which takes the place of val_loss"
    ]
    assert fit(f"{callback}=ModelCheckpoint", f"{callback}.save_top_k=-1").workspace.training.keep_last == 1_000_000


def test_the_quality_is_the_one_that_has_the_architecture(folder: Path) -> None:
    assert fit(*HIGH).workspace.voice.quality == "high"
    almost = fit(*HIGH[1:])
    assert almost.workspace.voice.quality == "high"
    assert any("resblock 2 (high has 1)" in line for line in almost.checks)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trainer.gradient_clip_val=1"], "gradients are not clipped"),
        (["--trainer.val_check_interval", "0.5"], "validation is at the end of an epoch"),
        (["--trainer.accumulate_grad_batches=4"], "not gathered over batches"),
        (["--trainer.logger.save_dir=x"], "curves and samples are always written"),
        (["--trainer.fast_dev_run"], "tries one batch"),
        (["--model.mos_metric=none"], "no listening score"),
        (["--model.betas", "[0.9, 0.99]"], "AdamW"),
        (["--weights_only=false"], "no code in a checkpoint is ever run"),
        (["--optimizer.class_path=Adam"], "AdamW"),
        (["--trainer.callbacks=EarlyStopping"], "EarlyStopping"),
        (["--trainer.max_time=00:12:00:00"], "no clock"),
    ],
)
def test_options_without_effect_are_named_with_the_reason(options: list[str], told: str, folder: Path) -> None:
    (ignored,) = [item for item in fit(*options).ignored if told in item.reason]
    assert options[0].startswith(ignored.flag)


def test_options_that_say_what_piper_does_anyway_are_not_named(folder: Path) -> None:
    defaults = [
        "--trainer.accumulate_grad_batches=1", "--model.betas=[0.8,0.99]", "--model.eps=1e-9", "--trainer.logger=null",
        "--trainer.num_nodes=1", "--trainer.overfit_batches=0", "--trainer.inference_mode=True",
    ]  # fmt: skip
    assert fit(*defaults).ignored == ()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trainer.devices=auto"], "Piper took every GPU there was"),
        (["--trainer.precision=64"], "not offered here; [training] precision is 32-true"),
        (["--trainer.accelerator=tpu"], "only CUDA and the CPU are trained on here"),
        (["--data.phoneme_type=japanese"], "phonemes of type 'japanese'"),
        (["--model.hidden_channels=64"], "hidden_channels 64 (medium has 192)"),
        (["--data.num_symbols=130"], "num_symbols 130 (medium has 256)"),
        (["--model.gin_channels=16", "--model.num_speakers=2"], "gin_channels 16"),
        (["--data.num_workers=200"], "--data.num_workers 200 can't be [training] num_workers"),
        (["--data.keep_seconds_after_silence=30"], "a value from 0 to 10 is wanted"),
        (["--data.vowel_clusters=clusters.json"], "no list of lists of phonemes was found"),
        (["--data.phonemes_path=none_such.json"], "there is no such file here; correct [text] phoneme_map"),
        (["--data.espeak_voice=xx"], "'xx' is no eSpeak NG voice that is known here"),
        (["--data.csv_path=/nowhere/table.csv"], "correct [dataset] metadata"),
        (["--trainer.limit_train_batches=0.5"], "changed what an epoch or a step was"),
        (["--ckpt_path=epoch=9-step=20.ckpt", "--trainer.max_epochs=10"], "10 epochs are trained"),
        (["--ckpt_path=last.ckpt"], "it does not tell its epoch and steps"),
        (["--ckpt_path=last.ckpt", "--model.learning_rate=1e-5"], "newer Piper ignores them beside --ckpt_path"),
        (["--model.sample_rate=16000"], "config.json says sample rate 22050, the options 16000"),
        (["--data.espeak_voice=uk"], "config.json says eSpeak voice ru, the options uk"),
    ],
)  # fmt: skip
def test_what_needs_a_look_is_told(options: list[str], told: str, folder: Path) -> None:
    checks = "\n".join(fit(*options).checks)
    assert told in checks, checks


def test_visible_gpus_are_counted_where_the_command_takes_all(folder: Path) -> None:
    adoption = adopt([f"CUDA_VISIBLE_DEVICES=0,1 python -m piper.train fit {BASE} --trainer.devices auto"])
    assert (setting(adoption, "training.devices"), setting(adoption, "training.launcher")) == (2, "ddp")


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--data.batchsize=4", "did you mean 'data.batch_size'"),
        ("--model.mrd=1", "did you mean 'model.use_mrd'"),
        ("--frobnicate", ""),
        ("stray", ""),
    ],
)  # fmt: skip
def test_unknown_options_are_told_and_adopted_around(option: str, hint: str, folder: Path) -> None:
    ((given, told),) = fit(option).unknown
    assert given.flag == option.partition("=")[0]
    assert told == hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.batch_size=many"], "command line:1: --data.batch_size is 'many'; a whole number is wanted"),
        (["--data.batch_size=4.5"], "a whole number is wanted"),
        (["--data.batch_size"], "--data.batch_size has no value"),
        (["--model.learning_rate=nan"], "a number is wanted"),
        (["--data.trim_silence=perhaps"], "true or false is wanted"),
        (["--config=none.yaml"], "--config names 'none.yaml', which is not here"),
    ],
)
def test_values_that_piper_would_refuse_are_refused(options: list[str], message: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        fit(*options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--data.batch_size=$BATCH", "needs the variable BATCH, which the script does not set; give it: --var BATCH="),
        ('--data.batch_size="$2"', "needs the script's argument $2, which the script does not set; give it: --var 2="),
        ("--data.batch_size=$(nproc)", "is '$(nproc)', which only running the script can tell"),
        ("--config=$CONF", "--config needs the variable CONF"),
        ("--ckpt_path=$CKPT", "--ckpt_path needs the variable CKPT"),
    ],
)  # fmt: skip
def test_what_only_the_script_knows_is_asked_for_with_file_and_line(text: str, message: str, folder: Path) -> None:
    (folder / "train.sh").write_text(f"# a script\npython -m piper.train fit {BASE} \\\n  {text}\n")
    with pytest.raises(ConfigError) as raised:
        adopt(["train.sh"])
    assert str(raised.value).startswith("train.sh:3: --")
    assert message in str(raised.value)


def test_a_value_that_is_given_for_a_variable_is_taken(folder: Path) -> None:
    (folder / "train.sh").write_text(f"python -m piper.train fit {BASE} --data.batch_size=$BATCH\n")
    assert setting(adopt(["train.sh"], variables={"BATCH": "5"}), "training.batch_size") == 5


def test_a_variable_in_an_option_without_effect_asks_nothing(folder: Path) -> None:
    (folder / "train.sh").write_text(f"python -m piper.train fit {BASE} --data.config_path=$OUT/config.json\n")
    (ignored,) = adopt(["train.sh"]).ignored
    assert ignored.given == "$OUT/config.json"


def test_yaml_files_that_the_command_names_are_read_in_order(folder: Path) -> None:
    (folder / "a.yaml").write_text("data:\n  batch_size: 4\n  num_workers: 2\ntrainer:\n  max_epochs: 9\n")
    (folder / "d.yaml").write_text("validation_split: 0.2\nbatch_size: 5\n")
    adoption = fit("-c", "a.yaml", "--data.batch_size=6", "--data", "d.yaml", "--trainer.max_epochs=10")
    assert setting(adoption, "training.batch_size") == 5
    assert setting(adoption, "training.num_workers") == 2
    assert setting(adoption, "training.validation_split") == 0.2
    assert setting(adoption, "training.epochs") == 10


def test_a_warm_start_beside_a_checkpoint_is_ignored_as_piper_should(folder: Path) -> None:
    adoption = fit("--ckpt_path=epoch=9-step=20.ckpt", "--model.warmstart_ckpt=base.ckpt")
    assert (adoption.workspace.start.checkpoint, adoption.workspace.start.mode) == ("epoch=9-step=20.ckpt", "resume")
    (ignored,) = adoption.ignored
    assert ignored.flag == "--model.warmstart_ckpt"
    assert "keeps its own weights" in ignored.reason


@pytest.mark.parametrize(
    ("option", "mode"), [("--model.warmstart_ckpt", "warm-start"), ("--model.vocoder_warmstart_ckpt", "vocoder")]
)
def test_warm_starts_keep_their_kind(option: str, mode: str, folder: Path) -> None:
    (folder / "base.ckpt").write_bytes(b"")
    adoption = fit(f"{option}=/checkpoints/base.ckpt")
    assert (adoption.workspace.start.checkpoint, adoption.workspace.start.mode) == ("base.ckpt", mode)
    assert adoption.start.verdict is None


def test_of_two_warm_starts_the_one_that_copies_more_counts(folder: Path) -> None:
    adoption = fit("--model.vocoder_warmstart_ckpt=a.ckpt", "--model.warmstart_ckpt=b.ckpt")
    assert (adoption.workspace.start.checkpoint, adoption.workspace.start.mode) == ("b.ckpt", "warm-start")
    (ignored,) = adoption.ignored
    assert ignored.flag == "--model.vocoder_warmstart_ckpt"


def test_a_checkpoint_that_is_looked_up_when_the_script_runs_is_the_furthest_found(folder: Path) -> None:
    checkpoints = folder / "lightning_logs" / "version_1" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in ("epoch=3-val_mel=0.5.ckpt", "last.ckpt"):
        (checkpoints / name).write_bytes(b"")
    script = f"CKPT=$(ls -t lightning_logs/*/*/*.ckpt | head -1)\npython -m piper.train fit {BASE} --ckpt_path=$CKPT\n"
    (folder / "train.sh").write_text(script)
    for arguments in (["train.sh"], [f"python -m piper.train fit {BASE} --ckpt_path last"]):
        adoption = adopt(arguments)
        assert adoption.start.checkpoint == checkpoints / "last.ckpt"
        assert adoption.start.generation == "Piper 1.3 to 1.4"
        assert any("the furthest that was found is taken" in line for line in adoption.checks)


def test_a_pattern_names_the_checkpoint_that_it_matches(folder: Path) -> None:
    (folder / "base").mkdir()
    (folder / "base" / "epoch=1-step=2.ckpt").write_bytes(b"")
    adoption = fit("--ckpt_path=base/*.ckpt")
    assert adoption.workspace.start.checkpoint == "base/epoch=1-step=2.ckpt"


def test_folders_of_ours_get_in_the_way_of_nothing(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "voices").write_text("a file")
    paths = fit(f"--data.cache_dir={folder}/.workbench/cache").workspace.paths
    assert (paths.runs, paths.voices, paths.cache) == ("workbench-runs", "workbench-voices", ".workbench/cache")
    (folder / ".workbench" / "cache").mkdir(parents=True)
    assert fit(f"--data.cache_dir={folder}/.workbench/cache").workspace.paths.cache == ".workbench/cache-2"


def test_a_cache_that_lies_where_nobody_would_look_is_named(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("scratch") / "prepared"
    elsewhere.mkdir()
    assert fit(f"--data.cache_dir={elsewhere}").workspace.paths.piper_cache == str(elsewhere)
    (folder / "clips").mkdir()
    assert fit("--data.cache_dir=clips").workspace.paths.piper_cache == "clips"
    assert fit(f"--data.cache_dir={folder}/.cache").workspace.paths.piper_cache == ""
    assert fit("--data.cache_dir=/nowhere/at/all").workspace.paths.piper_cache == ""


def test_recordings_beside_the_table_need_no_folder(folder: Path) -> None:
    (folder / "one.wav").hardlink_to(folder / "wavs" / "felix_000000.wav")
    (folder / "table.csv").write_text("one|Раз.\nmissing|Два.\n", encoding="utf-8")
    adoption = adopt(["python -m piper.train fit --data.csv_path table.csv --data.espeak_voice ru --data.voice_name x"])
    assert (adoption.workspace.dataset.metadata, adoption.workspace.dataset.audio) == ("table.csv", ".")
    assert adoption.clips is not None
    assert (adoption.clips.rows, adoption.clips.with_recording) == (2, 1)
    assert any("1 of 2 rows name no recording" in line for line in adoption.checks)


def test_a_table_that_piper_reads_otherwise_is_told(folder: Path) -> None:
    (folder / "metadata_2col.csv").write_text('felix_000001.wav|"Раз.\nfelix_000002.wav|Два".\n\n', encoding="utf-8")
    adoption = fit()
    assert adoption.workspace.dataset.quoting
    assert any("lines are not as they should be; `workbench health` names them" in line for line in adoption.checks)


def test_the_project_of_the_predecessor_is_read_with_what_prepared_it(folder: Path) -> None:
    source = folder / "corpus"
    silence(source / "wav" / "a.wav")
    (source / "metadata.csv").write_text(
        "".join(f"a|s{number}|Раз, {number}.\n" for number in range(4)), encoding="utf-8"
    )
    prepared = folder / "prepared"
    prepared.mkdir()
    config = {"audio": {"sample_rate": 16_000}, "espeak": {"voice": "ru"}, "num_symbols": 256, "num_speakers": 4}
    (prepared / "config.json").write_text(json.dumps(config))
    (folder / "prepare.sh").write_text(
        "python3 -m piper_train.preprocess --language ru --input-dir /app/corpus --output-dir prepared \\\n"
        "  --dataset-format ljspeech --dataset-name nika --sample-rate 16000\n"
    )
    (folder / "train.sh").write_text(
        "python3 -m piper_train --dataset-dir prepared --batch-size 12 --validation-split 0.0 \\\n"
        "  --num-test-examples 0 --max_epoch 6000 --checkpoint-epochs 20 --precision 16 --gpus 2 --strategy ddp \\\n"
        "  --max-phoneme-ids 400 \\\n"
        "  --resume_from_single_speaker_checkpoint base.ckpt --auto_lr_find true --no-such 1\n"
    )
    adoption = adopt(["."])
    workspace = adoption.workspace
    assert (workspace.dataset.metadata, workspace.dataset.audio) == ("corpus/metadata.csv", "corpus/wav")
    assert (workspace.dataset.multi_speaker, workspace.dataset.speaker_order) == (True, "clips")
    assert (workspace.voice.name, workspace.voice.language, workspace.voice.quality) == ("nika", "ru", "low")
    training = workspace.training
    assert (training.batch_size, training.epochs, training.checkpoint_every_epochs) == (12, 6000, 20)
    assert (training.precision, training.devices, training.launcher) == ("16-mixed", 2, "ddp")
    assert (training.learning_rate_d, training.validation_split, training.test_clips) == (2e-4, 0.0, 0)
    assert workspace.start.mode == "warm-start"
    assert {item.flag for item in adoption.ignored} == {"--max-phoneme-ids", "--auto_lr_find"}
    assert [given.flag for given, _ in adoption.unknown] == ["--no-such"]
    assert adoption.start.generation == "Piper's predecessor piper_train"


def test_qualities_of_the_predecessor_keep_their_names(folder: Path) -> None:
    for quality in ("x-low", "medium", "high"):
        assert legacy("--quality", quality, "--batch-size", "4").workspace.voice.quality == quality


@pytest.mark.parametrize(
    ("voice", "language"),
    [
        ("ru", "ru"), ("en-us", "en-US"), ("en-gb-scotland", "en-GB"), ("es-419", "es-419"), ("pt_BR", "pt-BR"),
        ("cmn", "zh"), ("fr+f3", "fr"), ("roa/it", ""), ("", ""), ("mb-de2", "mb"),
    ],
)  # fmt: skip
def test_languages_are_read_from_the_names_of_espeak_voices(voice: str, language: str) -> None:
    assert language_of(voice) == language
