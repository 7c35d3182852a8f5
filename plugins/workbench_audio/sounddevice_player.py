"""Plays through PortAudio.

Importing `sounddevice` loads PortAudio, which opens every sound device that it finds and may print, wait, or fail where
there is none. So it is imported when something is to be played, in the worker that plays, and nowhere else.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import sys
import threading
import wave
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench_audio.settings import AudioSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK_SECONDS = 0.05
"""Between two looks at whether to stop."""
_SILENCE_SECONDS = 0.15
"""Played before and after: a device that wakes up swallows the beginning, and ALSA's bridge to PulseAudio the last
twenty to forty milliseconds (both measured)."""
_SAMPLE_TYPES = {1: "uint8", 2: "int16", 3: "int24", 4: "int32"}
"""PortAudio's names, by bytes of a sample."""

INSTALL_PORTAUDIO = "install PortAudio (Debian, Ubuntu: apt install libportaudio2)"


class SoundDevicePlayer:
    """Implements `workbench.api.Player`."""

    audible = True

    def __init__(self, settings: AudioSettings | None = None) -> None:
        self._settings = settings or AudioSettings()
        self._stop = threading.Event()

    def available(self, environment: Mapping[str, str]) -> str:
        """Empty, or the reason why nothing can be heard here. Looks at files only; imports and opens nothing."""
        over_ssh = "SSH_CONNECTION" in environment and "PULSE_SERVER" not in environment
        if over_ssh and not self._settings.play_over_ssh:
            return (
                "this is an SSH session, the sound would come out of the other machine; "
                "set play_over_ssh = true in [plugins.audio] to have it so"
            )
        if importlib.util.find_spec("sounddevice") is None:
            return "the package sounddevice is not installed (pip install sounddevice)"
        # On macOS and Windows the package brings the library.
        if sys.platform.startswith("linux"):
            if ctypes.util.find_library("portaudio") is None:
                return f"PortAudio is not installed; {INSTALL_PORTAUDIO}"
            if not _has_sound(environment):
                return "this machine has no sound card and no sound server"
        return ""

    def play(self, wav: Path) -> str:
        """Play to the end, or until `stop` is called on another thread.

        Raises:
            OSError: it could not be played; the message says why.
        """
        with _open_wav(wav) as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            block = max(1, int(rate * _BLOCK_SECONDS))
            blocks = iter(lambda: file.readframes(block), b"")
            played, name = self._play(blocks, rate, channels, width)
        return f"{self._verb()} {wav.name} ({played / (rate * channels * width):.1f} s) on {name}"

    def play_live(self, blocks: Iterable[bytes], sample_rate: int) -> str:
        """Play what is still being made; see `workbench.api.LivePlayer`.

        Raises:
            OSError: it could not be played; the message says why.
        """
        block = 2 * max(1, int(sample_rate * _BLOCK_SECONDS))
        parts = (whole[start : start + block] for whole in blocks for start in range(0, len(whole), block))
        played, name = self._play(parts, sample_rate, 1, 2)
        return f"{self._verb()} {played / (2 * sample_rate):.1f} s on {name}"

    def _play(self, blocks: Iterable[bytes], rate: int, channels: int, width: int) -> tuple[int, str]:
        """Bytes that were played, and the name of the device.

        Raises:
            OSError: it could not be played.
        """
        self._stop.clear()
        sounddevice = _import_sounddevice()
        # Unsigned samples, which only 8-bit files have, rest at the middle of their range.
        rest = b"\x80" if width == 1 else b"\0"
        silence = rest * (channels * width * int(rate * _SILENCE_SECONDS))
        try:
            device = self._device(sounddevice)
            name: str = sounddevice.query_devices(device, "output")["name"]
            stream = sounddevice.RawOutputStream(
                samplerate=rate, channels=channels, dtype=_SAMPLE_TYPES[width], device=device
            )
        # PortAudioError has no stable base; ValueError is what an unknown device raises.
        except (sounddevice.PortAudioError, ValueError) as error:
            raise _refused(error) from None
        try:
            with stream:
                return self._write(stream, blocks, silence), name
        except sounddevice.PortAudioError as error:  # no ValueError here: it would be one of who makes the blocks
            raise _refused(error) from None

    def _verb(self) -> str:
        return "stopped" if self._stop.is_set() else "played"

    def stop(self) -> None:
        """Stop what plays within a twentieth of a second; nothing when nothing plays."""
        self._stop.set()

    def _device(self, sounddevice: Any) -> int | str | None:
        wanted = self._settings.device
        if wanted:
            return int(wanted) if wanted.isdecimal() else wanted
        if sounddevice.default.device[1] < 0:
            raise ValueError("there is no output device")
        return None

    def _write(self, stream: Any, blocks: Iterable[bytes], silence: bytes) -> int:
        """Feed the stream; the bytes of the blocks that it took. Leaving its context plays what is buffered."""
        stream.write(silence)
        played = 0
        for block in blocks:
            if self._stop.is_set():
                break
            stream.write(block)
            played += len(block)
        if self._stop.is_set():
            stream.abort()
        else:
            stream.write(silence)
        return played


def _refused(error: BaseException) -> OSError:
    return OSError(f"the sound device can't play it: {_one_line(error)}")


def _has_sound(environment: Mapping[str, str]) -> bool:
    """Whether there is a card of the kernel, or a server of PulseAudio or PipeWire."""
    if environment.get("PULSE_SERVER"):
        return True
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    sockets = [Path(runtime) / "pulse" / "native", Path(runtime) / "pipewire-0"] if runtime else []
    return any(path.exists() for path in sockets) or any(Path("/dev/snd").glob("pcm*p"))


def _import_sounddevice() -> Any:
    """
    Raises:
        OSError: there is no package, no PortAudio, or PortAudio can't start.
    """
    try:
        import sounddevice
    except ImportError:
        raise OSError("the package sounddevice is not installed (pip install sounddevice)") from None
    except OSError as error:
        raise OSError(f"{_one_line(error)}; {INSTALL_PORTAUDIO}") from None
    except Exception as error:  # noqa: BLE001 - PortAudioError of its start: its class can't be imported then
        raise OSError(f"PortAudio can't start: {_one_line(error)}") from None
    return sounddevice


@contextmanager
def _open_wav(wav: Path) -> Iterator[wave.Wave_read]:
    """
    Raises:
        OSError: it can't be read or is no WAV.
    """
    try:
        with wave.open(str(wav), "rb") as file:
            yield file
    except (wave.Error, EOFError) as error:
        raise OSError(f"{wav}: is not a WAV ({error or 'it is empty'})") from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
