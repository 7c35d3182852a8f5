"""Whatever lies in a project, there is a report, and nothing waits for a pipe."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from piper_project import CHECKPOINT
from report_story import make_story

from workbench.errors import ConfigError
from workbench.report.document import document
from workbench.report.languages import language
from workbench.report.markdown import markdown
from workbench.report.plain import plain_lines

from .conftest import Make, keys


def pipe(path: Path) -> None:
    """Put a pipe in a file's place; opening it would wait for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def lock(path: Path) -> None:
    """A folder where a file is wanted, which is unreadable for root as well."""
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def garbage(path: Path) -> None:
    """Bytes that are nothing."""
    path.write_bytes(b"\0\xff{[\x1b]0;title\x07" * 100)


VERSION = Path("lightning_logs") / "version_2"
EVENTS = VERSION / "events.out.tfevents.170000002.host.1.0"
FILES = (
    "metadata_2col.csv", "config.json", "wavs/felix_000003.wav", ".cache/x.spec.pt", "felix_mirage_epoch426.onnx",
    "felix_mirage_epoch426.onnx.json", str(VERSION / "config.yaml"), str(VERSION / "hparams.yaml"), str(EVENTS),
    str(VERSION / "checkpoints" / CHECKPOINT), "other.sh", "docker-compose.yml",
)  # fmt: skip


@pytest.mark.parametrize("harm", [pipe, lock, garbage], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_none_gives_a_report(
    file: str, harm: Callable[[Path], None], make: Make, tmp_path: Path
) -> None:
    folder = make_story(tmp_path / "felix", clips=8)
    harm(folder / file)
    report = make(folder)
    assert len(report.sections) == 11
    for name in ("en", "ru"):
        assert markdown(report, language(name))
        assert document(report, language(name))["sections"]
        assert list(plain_lines(report, language(name)))


def test_names_that_no_encoding_knows_can_be_written(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=8)
    odd = os.fsdecode(os.fsencode(folder) + b"/felix_mirage_epoch700_\xff\n\x1b[31m.onnx")
    Path(odd).write_bytes(b"")
    report = make(folder)
    assert "order.voice" in keys(report)
    assert all("\n" not in line for line in plain_lines(report, language("en")))


def test_a_table_that_is_gone_is_an_error_and_not_the_end(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=8)
    (folder / "metadata_2col.csv").unlink()
    assert {"dataset.unreadable"} <= keys(make(folder))


def test_a_folder_of_nothing_is_refused_in_one_line(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing of Piper here"):
        make(tmp_path)
