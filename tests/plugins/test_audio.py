"""The players; where PulseAudio is installed, what was heard is compared with the WAV."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from workbench.api import LivePlayer
from workbench.api.testing import PlayerContract, PluginContract, write_tone
from workbench.errors import EnvironmentProblem, PluginError
from workbench.workers import Worker
from workbench_audio.file_player import FilePlayer, fetch_command
from workbench_audio.settings import AudioSettings
from workbench_audio.sounddevice_player import SoundDevicePlayer

PLAY = "workbench.workers.targets.play:play"
RATE = 22_050


class TestPlugin(PluginContract):
    module = "workbench_audio"


class TestFilePlayer(PlayerContract):
    @pytest.fixture
    def player(self) -> FilePlayer:
        return FilePlayer()

    def test_it_is_always_there_and_says_that_it_makes_no_sound(self, player: FilePlayer) -> None:
        assert player.available({}) == ""
        assert player.audible is False

    def test_it_says_where_the_wav_is_and_how_long(self, player: FilePlayer, tmp_path: Path) -> None:
        tone = write_tone(tmp_path / "tone.wav", seconds=1.5)
        assert player.play(tone).startswith(f"{tone} (1.5 s).")

    def test_what_is_no_wav_is_an_oserror(self, player: FilePlayer, tmp_path: Path) -> None:
        for content in (b"", b"RIFF", b"this is no WAV at all, however long"):
            (tmp_path / "x.wav").write_bytes(content)
            with pytest.raises(OSError, match="is not a WAV"):
                player.play(tmp_path / "x.wav")


@pytest.mark.parametrize(
    ("connection", "path", "command"),
    [
        ("10.0.0.1 50000 10.0.0.2 22", "/v/a.wav", "scp me@10.0.0.2:/v/a.wav ."),
        ("10.0.0.1 50000 10.0.0.2 2222", "/v/a.wav", "scp -P 2222 me@10.0.0.2:/v/a.wav ."),
        ("fe80::1 50000 fe80::2 22", "/v/a.wav", "scp 'me@[fe80::2]:/v/a.wav' ."),
        ("10.0.0.1 50000 10.0.0.2 22", "/v/a b.wav", "scp 'me@10.0.0.2:/v/a b.wav' ."),
    ],
)
def test_over_ssh_the_command_that_fetches_the_wav_is_shown(
    monkeypatch: pytest.MonkeyPatch, connection: str, path: str, command: str
) -> None:
    monkeypatch.setenv("LOGNAME", "me")
    assert fetch_command(Path(path), {"SSH_CONNECTION": connection}) == f"Fetch it: {command}"


def test_without_ssh_there_is_nothing_to_fetch() -> None:
    assert "scp" not in fetch_command(Path("/v/a.wav"), {})


class TestSoundDevicePlayer(PlayerContract):
    @pytest.fixture
    def player(self, monkeypatch: pytest.MonkeyPatch) -> SoundDevicePlayer:
        # Whatever sound this machine has, the suite must be silent; with sound it is tested below.
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        return SoundDevicePlayer()

    def test_over_ssh_it_does_not_play_in_another_room_unless_told_to(self, player: SoundDevicePlayer) -> None:
        ssh = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
        assert "the sound would come out of the other machine" in player.available(ssh)
        assert "SSH" not in player.available({**ssh, "PULSE_SERVER": "tcp:127.0.0.1:4713"})
        assert "SSH" not in SoundDevicePlayer(AudioSettings(play_over_ssh=True)).available(ssh)

    def test_a_missing_package_is_said(self, player: SoundDevicePlayer, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="sounddevice is not installed"):
            player.play(write_tone(tmp_path / "tone.wav"))


def run_python(program: str, *arguments: str, **environment: str) -> str:
    """Run a program in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_asking_whether_it_can_play_does_not_import_sounddevice() -> None:
    program = (
        "import os, sys; from workbench_audio.sounddevice_player import SoundDevicePlayer; "
        "SoundDevicePlayer().available(os.environ); print('sounddevice' in sys.modules)"
    )
    assert run_python(program) == "False"


def test_a_machine_without_portaudio_is_told_what_to_install(tmp_path: Path) -> None:
    # The package looks the library up by name; a process in which no name is found is such a machine.
    program = (
        "import ctypes.util, os, sys; from pathlib import Path; ctypes.util.find_library = lambda name: None\n"
        "from workbench_audio.sounddevice_player import SoundDevicePlayer\n"
        "print(SoundDevicePlayer().available({}))\n"
        "try: SoundDevicePlayer().play(Path(sys.argv[1]))\n"
        "except OSError as error: print(error)"
    )
    printed = run_python(program, str(write_tone(tmp_path / "tone.wav"))).splitlines()
    assert len(printed) == 2
    assert all("PortAudio" in line and "apt install libportaudio2" in line for line in printed)


def test_a_session_over_ssh_ends_with_the_command_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 50000 10.0.0.2 22")
    monkeypatch.setenv("LOGNAME", "me")
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    wav = write_tone(tmp_path / "tone.wav")
    with Worker("audio", log=tmp_path / "worker.log") as worker:
        played = worker.call(PLAY, wav=str(wav))
        with pytest.raises(PluginError, match="no player 'loud'; there are: sounddevice, file"):
            worker.call(PLAY, wav=str(wav), player="loud")
        with pytest.raises(EnvironmentProblem, match=r"missing\.wav: there is no such file"):
            worker.call(PLAY, wav=str(tmp_path / "missing.wav"))
    assert played["played"] is False
    assert played["player"] == "file"
    assert played["message"].endswith(f"Fetch it: scp me@10.0.0.2:{wav} .")
    assert len(played["reasons"]) == 1


# --- what is still being made ---


class PortAudioError(Exception):
    """As sounddevice's: no class that others share."""


class Stream:
    """A device that notes what is written to it."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.written: list[bytes] = []
        self.fails_after = 1000

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""

    def write(self, data: bytes) -> None:
        if len(self.written) >= self.fails_after:
            raise PortAudioError("unplugged")
        self.written.append(data)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """The device that the player opens."""
    stream = Stream()

    def opened(**settings: Any) -> Stream:
        stream.settings = settings
        return stream

    library = SimpleNamespace(
        RawOutputStream=opened,
        PortAudioError=PortAudioError,
        default=SimpleNamespace(device=(0, 0)),
        query_devices=lambda *_: {"name": "a device"},
    )
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return stream


def test_blocks_are_played_one_behind_the_other_each_before_the_next_is_asked_for(device: Stream) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 9000).astype("<i2").tobytes()
    cuts, asked = [0, 2, 5_000, 5_002, len(noise)], []

    def blocks() -> Iterator[bytes]:
        for begin, end in pairwise(cuts):
            asked.append(sum(map(len, device.written[1:])))
            yield noise[begin:end]

    player = SoundDevicePlayer()
    assert isinstance(player, LivePlayer)
    assert player.play_live(blocks(), RATE) == "played 0.4 s on a device"
    before, *played, after = device.written
    assert b"".join(played) == noise
    assert asked == cuts[:-1]
    assert before == after == bytes(len(before))
    assert max(map(len, played)) <= 2 * RATE // 20, "a stop would wait for longer"
    assert (device.settings["samplerate"], device.settings["channels"], device.settings["dtype"]) == (RATE, 1, "int16")


def test_what_the_maker_of_the_blocks_raises_is_not_taken_for_a_fault_of_the_device(device: Stream) -> None:
    def blocks() -> Iterator[bytes]:
        yield bytes(100)
        raise ValueError("the voice has no symbol for it")

    with pytest.raises(ValueError, match="no symbol"):
        SoundDevicePlayer().play_live(blocks(), RATE)


def test_a_device_that_fails_in_the_middle_is_an_oserror(device: Stream) -> None:
    device.fails_after = 3
    with pytest.raises(OSError, match="the sound device can't play it: unplugged"):
        SoundDevicePlayer().play_live(iter([bytes(100)] * 9), RATE)


def test_the_file_player_waits_for_the_whole() -> None:
    assert not isinstance(FilePlayer(), LivePlayer)


# --- real sound ---


@dataclass
class Recorder:
    """A sound server without a card; what is played on it is written down."""

    environment: dict[str, str]

    def record(self, action: Callable[[], Any], *, seconds: float) -> tuple[Any, NDArray[np.int16]]:
        """Do something and return what it returned and what was heard meanwhile."""
        with tempfile.TemporaryFile() as heard:
            recorder = subprocess.Popen(
                [
                    "parec",
                    "-d",
                    "null.monitor",
                    "--format=s16le",
                    f"--rate={RATE}",
                    "--channels=1",
                    "--latency-msec=20",
                ],
                env=self.environment,
                stdout=heard,
            )
            try:
                deadline = time.monotonic() + 20
                while heard.seek(0, os.SEEK_END) == 0:  # it records silence as soon as it records at all
                    assert time.monotonic() < deadline, "parec recorded nothing"
                    time.sleep(0.02)
                result = action()
                time.sleep(seconds)
            finally:
                recorder.send_signal(signal.SIGTERM)
                recorder.wait()
            heard.seek(0)
            return result, np.frombuffer(heard.read(), dtype="<i2")


@pytest.fixture(scope="module")
def sound() -> Iterator[Recorder]:
    for program in ("pulseaudio", "parec"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (apt install pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins)")
    # A socket's path may be 107 bytes long, which pytest's folders exceed.
    with tempfile.TemporaryDirectory(prefix="sound-") as runtime:
        environment = {**os.environ, "XDG_RUNTIME_DIR": runtime, "HOME": runtime, "PULSE_COOKIE": f"{runtime}/cookie"}
        environment.pop("PULSE_SERVER", None)
        server = subprocess.Popen(
            [
                "pulseaudio",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "-n",
                f"--load=module-null-sink sink_name=null rate={RATE} channels=1",
                "--load=module-native-protocol-unix",
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 20
            while not (Path(runtime) / "pulse" / "native").exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.skip("pulseaudio does not start here")
                time.sleep(0.05)
            yield Recorder(environment)
        finally:
            server.terminate()
            server.wait()


@pytest.fixture
def worker(sound: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Worker]:
    for name in ("XDG_RUNTIME_DIR", "HOME", "PULSE_COOKIE"):
        monkeypatch.setenv(name, sound.environment[name])
    for name in ("PULSE_SERVER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    with Worker("audio", log=tmp_path / "worker.log") as worker:
        yield worker


def write_speech_like(path: Path, seconds: float) -> NDArray[np.int16]:
    """Noise that swells and fades: no two places in it are alike, so a shift or a gap is found."""
    random = np.random.default_rng(1)
    count = int(seconds * RATE)
    swell = np.sin(np.linspace(0.1, np.pi - 0.1, count))
    samples = (random.normal(0, 4000, count) * swell).clip(-20_000, 20_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return samples


def places(heard: NDArray[np.int16], wanted: NDArray[np.int16]) -> list[int | None]:
    """Where each twentieth of a second of what was played is in a recording; None where it is not."""
    size = RATE // 20
    found: list[int | None] = []
    recorded = heard.astype(float)
    power = np.concatenate([[0.0], np.cumsum(recorded**2)])
    energy = power[size:] - power[:-size]
    for start in range(0, wanted.size - size + 1, size):
        block = wanted[start : start + size].astype(float)
        # The squared distance to the block at every place, but for the block's own energy.
        place = int(np.argmin(energy - 2 * np.correlate(recorded, block, "valid")))
        same = np.allclose(heard[place : place + size], block, atol=2)
        found.append(place if same else None)
    return found


def test_what_the_worker_plays_is_heard_sample_for_sample(worker: Worker, sound: Recorder, tmp_path: Path) -> None:
    wanted = write_speech_like(tmp_path / "voice.wav", 1.0)
    played, heard = sound.record(lambda: worker.call(PLAY, wav=str(tmp_path / "voice.wav")), seconds=0.8)
    assert played["played"] is True
    assert played["player"] == "sounddevice"
    assert played["reasons"] == []
    assert played["message"].startswith("played voice.wav (1.0 s) on ")
    found = places(heard, wanted)
    heard_places = [place for place in found if place is not None]
    # A busy machine may make the server wait for samples, which tears a block in two; the sound goes on after it.
    assert len(heard_places) >= 0.75 * len(found), found
    assert heard_places == sorted(heard_places)
    assert found[-1] is not None, "the end was cut off"


def test_what_is_still_being_made_is_heard_without_a_gap(worker: Worker, sound: Recorder, tmp_path: Path) -> None:
    wanted = write_speech_like(tmp_path / "voice.wav", 1.0)
    np.save(tmp_path / "samples.npy", wanted)
    program = (
        "import sys, time, numpy; from workbench_audio.sounddevice_player import SoundDevicePlayer\n"
        "def blocks():\n"
        "    for part in numpy.split(numpy.load(sys.argv[1]), [3000, 3001, 9000]):\n"
        "        time.sleep(0.05); yield part.tobytes()\n"
        f"print(SoundDevicePlayer().play_live(blocks(), {RATE}))"
    )
    said, heard = sound.record(lambda: run_python(program, str(tmp_path / "samples.npy")), seconds=0.8)
    assert said.startswith("played 1.0 s on ")
    found = places(heard, wanted)
    heard_places = [place for place in found if place is not None]
    assert len(heard_places) >= 0.75 * len(found), found
    # The same distance between all that is heard: nothing was put in between.
    gaps = [two - one for one, two in pairwise(found) if one is not None and two is not None]
    assert sum(gap == RATE // 20 for gap in gaps) >= 0.75 * len(gaps), gaps


def test_a_flac_recording_is_heard_too(worker: Worker, sound: Recorder, tmp_path: Path) -> None:
    wanted = write_speech_like(tmp_path / "voice.wav", 1.0)
    soundfile.write(tmp_path / "clip.flac", wanted, RATE, subtype="PCM_16")
    played, heard = sound.record(lambda: worker.call(PLAY, wav=str(tmp_path / "clip.flac")), seconds=0.8)
    assert played["message"].startswith("played clip.flac (1.0 s) on ")
    assert len([place for place in places(heard, wanted) if place is not None]) >= 15


def test_stopping_ends_the_sound_before_its_end(
    sound: Recorder, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_speech_like(tmp_path / "voice.wav", 20.0)
    program = (
        "import sys, threading, time; from pathlib import Path\n"
        "from workbench_audio.sounddevice_player import SoundDevicePlayer\n"
        "player = SoundDevicePlayer(); threading.Timer(1.0, player.stop).start(); started = time.monotonic()\n"
        "print(player.play(Path(sys.argv[1])), time.monotonic() - started < 15)"
    )
    printed = run_python(program, str(tmp_path / "voice.wav"))
    assert printed.startswith("stopped voice.wav (")
    assert printed.endswith("True")


def test_cancelling_the_call_ends_the_sound(worker: Worker, sound: Recorder, tmp_path: Path) -> None:
    write_speech_like(tmp_path / "voice.wav", 30.0)
    timer = threading.Timer(2.0, worker.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Exception, match="cancelled"):
        worker.call(PLAY, wav=str(tmp_path / "voice.wav"))
    assert time.monotonic() - started < 20


def test_a_device_that_is_not_there_falls_back_to_the_file_player(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_speech_like(tmp_path / "voice.wav", 0.2)
    file = tmp_path / "workbench.toml"
    file.write_text('[voice]\nname = "a"\nlanguage = "ru"\n[plugins.audio]\ndevice = "no such device"\n')
    played = worker.call(PLAY, wav=str(tmp_path / "voice.wav"), workspace=str(file))
    assert played["played"] is False
    assert played["player"] == "file"
    message = played["message"]
    assert message.startswith("No sound here (sounddevice: the sound device can't play it: No output device matching")
    assert message.endswith(f"The WAV: {tmp_path / 'voice.wav'} (0.2 s). Open it with any player of this machine.")


def test_without_sound_a_flac_recording_is_named_where_it_lies_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    soundfile.write(tmp_path / "clip.flac", np.zeros(8000, np.int16), 16000)
    (tmp_path / "broken.flac").write_bytes((tmp_path / "clip.flac").read_bytes()[:30])
    with Worker("audio", log=tmp_path / "worker.log") as worker:
        played = worker.call(PLAY, wav=str(tmp_path / "clip.flac"), player="file")
        with pytest.raises(EnvironmentProblem, match=r"broken\.flac: can't be decoded"):
            worker.call(PLAY, wav=str(tmp_path / "broken.flac"))
    assert played["message"].startswith(f"{tmp_path / 'clip.flac'} (0.5 s). ")
    assert not list((tmp_path / "temporary").iterdir())
