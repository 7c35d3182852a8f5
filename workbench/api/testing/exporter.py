"""The suite for exporters and their verifiers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from workbench.api import Exporter, Verdict, Verifier, VoiceIdentity
from workbench.api.testing.samples import one_line


class ExporterContract:
    """What every exporter must do. Give fixtures `exporter`, `checkpoint` and `config`; `verifier` if there is one."""

    suffix: ClassVar[str]
    voice: ClassVar[VoiceIdentity] = VoiceIdentity(name="probe", language="ru", quality="tiny")

    @pytest.fixture
    def exporter(self) -> Exporter:
        """The exporter to be tested."""
        pytest.fail("the subclass must define the fixture 'exporter'")

    @pytest.fixture
    def verifier(self) -> Verifier | None:
        """Its verifier, if it has one."""
        return None

    @pytest.fixture
    def checkpoint(self) -> Path:
        """A checkpoint of a small voice."""
        pytest.fail("the subclass must define the fixture 'checkpoint'")

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        """The voice configuration that belongs to the checkpoint."""
        pytest.fail("the subclass must define the fixture 'config'")

    def test_it_writes_the_main_file_under_the_voice_name(
        self, exporter: Exporter, checkpoint: Path, config: Mapping[str, Any], tmp_path: Path
    ) -> None:
        files = exporter.export(checkpoint, config, self.voice, tmp_path)
        assert files[0].name == f"{self.voice.stem}{self.suffix}"
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
        assert all(path.parent == tmp_path and path.stat().st_size > 0 for path in files)

    def test_a_file_that_is_no_checkpoint_leaves_nothing_behind(
        self, exporter: Exporter, config: Mapping[str, Any], tmp_path: Path
    ) -> None:
        folder = tmp_path / "voices"
        folder.mkdir()
        not_one = tmp_path / "not.ckpt"
        not_one.write_bytes(b"this is no checkpoint")
        with pytest.raises(Exception, match=r".") as caught:
            exporter.export(not_one, config, self.voice, folder)
        assert one_line(str(caught.value))
        assert list(folder.iterdir()) == []

    def test_the_verifier_accepts_the_export_and_not_a_damaged_one(
        self,
        exporter: Exporter,
        verifier: Verifier | None,
        checkpoint: Path,
        config: Mapping[str, Any],
        tmp_path: Path,
    ) -> None:
        if verifier is None:
            pytest.skip("this exporter has no verifier")
        files = exporter.export(checkpoint, config, self.voice, tmp_path)
        verdict = verifier.verify(checkpoint, files)
        assert verdict.accepted, verdict
        assert 0 <= verdict.largest_difference < 1
        data = files[0].read_bytes()
        files[0].write_bytes(data[: len(data) // 2])
        # Either answer is clear enough: a verdict that says no, or an error of one line.
        answer: Verdict | None = None
        with contextlib.suppress(Exception):
            answer = verifier.verify(checkpoint, files)
        assert answer is None or not answer.accepted
