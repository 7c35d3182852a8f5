"""Files that are no scripts: what runs wrote down of themselves, compose files, moved folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from piper_project import CONFIG_YAML, make_dataset, make_project

from workbench.adopt import adopt
from workbench.adopt.documents import parse_yaml, read_json
from workbench.adopt.places import Places, relative
from workbench.errors import ConfigError

HPARAMS = """\
accelerator: gpu
batch_size: 24
checkpoint_epochs: 5
dataset:
- !!python/object/apply:pathlib.PosixPath
  - /
  - data
  - prepared
  - dataset.jsonl
dataset_dir: &id001 !!python/object/apply:pathlib.PosixPath
- /
- data
- prepared
default_root_dir: *id001
devices: '1'
hidden_channels: 192
max_epochs: 3000
precision: 32
quality: high
resblock_kernel_sizes: !!python/tuple
- 3
- 7
- 11
resume_from_checkpoint: null
sample_bytes: 2
seed: 1234
something_else: 1
validation_split: 0.0
"""


@pytest.mark.parametrize(
    ("run", "voice", "batch", "speakers"), [("run_minid_ms", "tiny_ru", 4, True), ("run_minid", "tiny_ru", 4, False)]
)
def test_the_config_that_piper_wrote_is_read(
    run: str, voice: str, batch: int, speakers: bool, shared: Path, tmp_path: Path
) -> None:
    adoption = adopt([str(shared / "fixtures" / run / "config.yaml")], to=tmp_path)
    workspace = adoption.workspace
    assert (workspace.voice.name, workspace.voice.language) == (voice, "ru")
    assert (workspace.training.batch_size, workspace.dataset.multi_speaker) == (batch, speakers)
    assert workspace.training.seed == 1234
    assert (workspace.training.accelerator, workspace.training.devices) == ("cpu", 1)
    assert adoption.unknown == ()
    assert any(
        "the model is none of the named qualities: upsample_initial_channel 32" in line for line in adoption.checks
    )
    assert workspace.file.parent == tmp_path


def test_the_config_with_a_third_discriminator_is_read(shared: Path, tmp_path: Path) -> None:
    adoption = adopt([str(shared / "fixtures" / "run_minid_mrd" / "config.yaml")], to=tmp_path)
    assert adoption.workspace.training.multi_resolution_discriminator


def test_what_the_predecessor_wrote_of_a_run_is_read_without_making_its_objects(tmp_path: Path) -> None:
    version = tmp_path / "prepared" / "lightning_logs" / "version_0"
    version.mkdir(parents=True)
    (version / "hparams.yaml").write_text(HPARAMS)
    make_dataset(tmp_path / "prepared" / "x", 3)
    adoption = adopt([str(version / "hparams.yaml")])
    workspace = adoption.workspace
    assert (workspace.training.batch_size, workspace.training.epochs) == (24, 3000)
    assert workspace.training.checkpoint_every_epochs == 5
    assert workspace.voice.quality == "high"
    assert workspace.root == tmp_path / "prepared"
    assert adoption.source.options.given["dataset_dir"].value == "/data/prepared"
    assert adoption.unknown == ()


COMPOSE = """\
services:
  board:
    image: tensorboard
  piper-train:
    image: nvcr.io/nvidia/pytorch:24.04-py3
    environment:
      - NVIDIA_VISIBLE_DEVICES=0,1
      - BATCH=16
    volumes:
      - .:/workspace/piper1-gpl
      - ${DATA_DIR:-../datasets/felix}:/data
      - venv:/tmp/venv
    command: >-
      bash -lc "pip install x && python -m piper.train fit --data.csv_path /data/metadata_2col.csv
      --data.audio_dir /data/wavs --data.espeak_voice ru --data.voice_name felix --data.batch_size $$BATCH
      --trainer.max_epochs $${EPOCHS:-50} --trainer.devices auto"
"""


def test_the_command_of_a_container_is_read_with_its_folders(tmp_path: Path) -> None:
    project = tmp_path / "piper"
    (project / "lightning_logs" / "version_0").mkdir(parents=True)
    compose = project / "docker-compose.train.yml"
    compose.write_text(COMPOSE)
    (project / ".env").write_text("# x\nEPOCHS=70\n")
    make_dataset(tmp_path / "datasets" / "felix", 3)
    for arguments in ([str(compose)], [str(project)]):
        workspace = adopt(arguments).workspace
        assert workspace.metadata == tmp_path / "datasets" / "felix" / "metadata_2col.csv"
        assert (workspace.training.batch_size, workspace.training.epochs, workspace.training.devices) == (16, 70, 2)


def test_a_compose_file_without_piper_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text("services:\n  a: {command: sleep}\n  b: null\n")
    with pytest.raises(ConfigError, match="no service in it trains with Piper"):
        adopt([str(path)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer: [\n", "config.yaml:2: not YAML"),
        ("a: b: c\n", "config.yaml:1: not YAML"),
        ("- 1\n", "holds no settings"),
        ("", "holds no settings"),
        ("x: 1\n", "no settings of a Piper run in it"),
        ("trainer: " + "[" * 3000, "nested too deeply"),
        ("trainer: \x00\n", "not YAML"),
        ("data: !!timestamp 2001-99-99\n", "not YAML"),
        ("data: {batch_size: !!int x}\n", "not YAML"),
        ("? [a]\n: 1\n", "not YAML"),
    ],
)
def test_yaml_that_is_no_config_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        adopt([str(path)])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_object_is_made_of_a_yaml_tag(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = f"trainer: !!python/object/apply:os.system ['touch {canary}']\ndata: !!python/name:os.system ''\n"
    assert parse_yaml(text, "x")["trainer"] == [f"touch {canary}"]
    assert not canary.exists()


def test_aliases_that_grow_without_end_are_no_trouble(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    text = "\n".join([*lines, "trainer:", "  logger: *a29", "  callbacks: *a29", "model:", "  betas: *a29"])
    path = tmp_path / "config.yaml"
    path.write_text(text)
    adoption = adopt([str(path)])
    assert {item.flag for item in adoption.ignored} >= {"--trainer.logger", "--model.betas"}
    assert all(len(item.given) <= 200 for item in adoption.ignored)


def test_json_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text, message in (
        ("{\n,", "config.json:2: not JSON"),
        ("[]", "holds no settings"),
        ("[" * 100_000, "not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_json(path)


def test_a_broken_config_json_keeps_no_project_from_being_adopted(tmp_path: Path) -> None:
    make_dataset(tmp_path, 3)
    make_project(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert adopt([str(tmp_path)]).workspace.voice.name == "felix_mirage"


def test_a_file_that_is_larger_than_any_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG_YAML + "# x\n" * 100_000)
    with pytest.raises(ConfigError, match="is larger than 256 KB"):
        adopt([str(path)])


def test_the_longest_end_of_a_path_is_looked_for_first(tmp_path: Path) -> None:
    project = tmp_path / "a" / "project"
    for folder in (project / "wavs", project / "voice" / "wavs", tmp_path / "a" / "voice" / "wavs"):
        folder.mkdir(parents=True)
    places = Places(project=project)
    assert places.find("/data/voice/wavs") == project / "voice" / "wavs"
    assert places.find("/data/other/wavs") == project / "wavs"
    assert places.moved == {"/data/voice/wavs": project / "voice" / "wavs", "/data/other/wavs": project / "wavs"}


def test_a_name_alone_means_nothing_above_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "wavs").mkdir()
    places = Places(project=project)
    assert places.find("/data/wavs") is None
    (tmp_path / "felix" / "wavs").mkdir(parents=True)
    assert places.find("/data/felix/wavs") == tmp_path / "felix" / "wavs"


def test_what_was_found_elsewhere_says_where_the_rest_is(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "set" / "wavs").mkdir(parents=True)
    (project / "set" / "table.csv").write_text("")
    (project / "table.csv").write_text("")
    places = Places(project=project)
    assert places.find("/data/set/wavs") == project / "set" / "wavs"
    assert places.find("/data/set/table.csv") == project / "set" / "table.csv"
    assert places.told() == [f"/data is {project} here"]


def test_folders_of_a_container_are_those_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "felix" / "wavs").mkdir(parents=True)
    places = Places(project=tmp_path, mounts=(("/data", "felix"),))
    assert places.find("/data/wavs") == tmp_path / "felix" / "wavs"
    assert places.moved == {}


def test_a_script_in_a_folder_of_scripts_belongs_to_the_project_above(tmp_path: Path) -> None:
    make_project(tmp_path / "piper")
    make_dataset(tmp_path / "piper" / "felix_mirage", 3)
    scripts = tmp_path / "piper" / "script" / "train"
    scripts.mkdir(parents=True)
    (tmp_path / "piper" / "train_resume.sh").rename(scripts / "go.sh")
    adoption = adopt([str(scripts / "go.sh")])
    assert adoption.workspace.root == tmp_path / "piper"
    assert adoption.workspace.dataset.metadata == "felix_mirage/metadata_2col.csv"
    assert adoption.workspace.start.checkpoint.startswith("lightning_logs/version_2/")


def test_runs_that_lie_above_by_chance_make_no_project(tmp_path: Path) -> None:
    (tmp_path / "lightning_logs" / "version_0").mkdir(parents=True)
    make_dataset(tmp_path / "felix", 3)
    script = tmp_path / "felix" / "train.sh"
    script.write_text(
        "python -m piper.train fit --data.csv_path metadata.csv --data.espeak_voice ru --data.voice_name x\n"
    )
    assert adopt([str(script)]).workspace.root == tmp_path / "felix"


def test_a_relative_path_never_means_the_folder_of_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, project = tmp_path / "elsewhere", tmp_path / "a" / "b" / "project"
    make_dataset(elsewhere, 3)
    project.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    script = "python -m piper.train fit --data.csv_path metadata_2col.csv --data.espeak_voice ru --data.voice_name x\n"
    (project / "train.sh").write_text(script)
    adoption = adopt([str(project / "train.sh")])
    assert adoption.workspace.metadata == project / "metadata_2col.csv"
    assert any("not here; correct [dataset] metadata" in line for line in adoption.checks)


def test_the_counters_may_fit_the_run_that_wrote_them_and_not_what_is_said_now(tmp_path: Path) -> None:
    make_dataset(tmp_path, 100)
    make_project(tmp_path)
    checkpoints = tmp_path / "lightning_logs" / "version_2" / "checkpoints"
    # 85 of 100 clips are trained on: three batches of 16 on each of two GPUs, twice ten epochs.
    (checkpoints / "epoch=9-step=60.ckpt").write_bytes(b"")
    script = (tmp_path / "train_resume.sh").read_text(encoding="utf-8").replace("batch_size=16", "batch_size=48")
    (tmp_path / "train_resume.sh").write_text(script.replace("epoch=426-step=202398", "epoch=9-step=60"))
    verdict = adopt([str(tmp_path)]).start.verdict
    assert verdict is not None
    assert verdict.fits == ("kept",)
    assert "fits 100 clips, batch 16, 2 GPUs" in verdict.message
    assert "config.yaml; the project now says 100 clips, batch 48, 2 GPUs." in verdict.message


def test_a_name_that_is_no_utf8_can_not_be_written_down(tmp_path: Path) -> None:
    folder = tmp_path / b"wavs\xff".decode("utf-8", "surrogateescape")
    folder.mkdir()
    with pytest.raises(ConfigError, match="the name is not UTF-8"):
        relative(folder, tmp_path)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "~nobody-here/x", "/", "..", "."])
def test_odd_names_are_no_trouble(name: str, tmp_path: Path) -> None:
    found = Places(project=tmp_path).find(name)
    assert found is None or found.exists()
