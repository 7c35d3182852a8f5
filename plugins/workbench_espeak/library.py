"""libespeak-ng through ctypes: load it, choose a voice, get the phonemes of a text clause by clause."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path

# espeak_AUDIO_OUTPUT SYNCHRONOUS: no audio device is opened.
_SYNCHRONOUS = 2
# Without it a missing data folder ends the process.
_DONT_EXIT = 0x8000
_UTF8 = 1
_IPA = 2
# Voices with different phoneme tables, in every build of the engine.
_TWO_VOICES = ("en", "ru")


class EspeakLibraryError(OSError):
    """The library or its data can't be used; the message is one line."""


def find_library() -> tuple[str, Path | None]:
    """Name of the library to load and its data folder (None: the one that the library was built for).

    The Python package comes first: its engine and its data have one version, whatever the system has.
    """
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for library in sorted(package.glob("libespeak-ng*")):
            return str(library), package / "espeak-ng-data"
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise EspeakLibraryError(
            "libespeak-ng is not installed. Install it: apt install libespeak-ng1, or pip install espeakng-loader."
        )
    return name, None


@functools.cache
def open_library(name: str, data: Path | None = None) -> EspeakLibrary:
    """The engine of this process: the same object for the same arguments, see `EspeakLibrary`."""
    return EspeakLibrary(name, data)


class EspeakLibrary:
    """One loaded engine. It keeps its state in globals: one voice at a time, and one start a process is enough."""

    def __init__(self, name: str, data: Path | None = None) -> None:
        """Load and start the engine.

        Args:
            name: file or soname of the library.
            data: folder `espeak-ng-data`; None for the library's own choice.

        Raises:
            EspeakLibraryError: the library or its data can't be loaded.
        """
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise EspeakLibraryError(f"{name}: can't be loaded: {error}. Reinstall libespeak-ng.") from None
        self._declare()
        self.lock = threading.RLock()
        """To be held from the choice of the voice to the last clause: the engine runs without the GIL."""
        self._voice = ""
        path = None if data is None else str(data).encode()
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, path, _DONT_EXIT) <= 0:  # Hz of its voices
            raise EspeakLibraryError(f"{name}: its data was not found. Reinstall espeak-ng-data.")
        # Started once more, the engine frees the data it had, and goes on with the phonemes of the voice it had, read
        # from freed memory, until a voice with another phoneme table is chosen.
        for voice in _TWO_VOICES:
            self.set_voice(voice)
        folder = ctypes.c_char_p()
        version: bytes = self._library.espeak_Info(ctypes.byref(folder))
        self.version = version.decode()
        self.data = Path((folder.value or b"").decode())

    def _declare(self) -> None:
        library = self._library
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_Info.argtypes = [ctypes.POINTER(ctypes.c_char_p)]
        library.espeak_Info.restype = ctypes.c_char_p
        library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def set_voice(self, name: str) -> bool:
        """Choose a voice; False when there is no such voice."""
        if name != self._voice:
            found = self._library.espeak_SetVoiceByName(name.encode()) == 0
            self._voice = name if found else ""
        return name == self._voice

    def clauses(self, text: str) -> Iterator[tuple[str, str]]:
        """IPA of each clause and the text that was consumed for it (together they are the whole text).

        Reads an empty text afterwards: when a text ends in `..` the engine keeps a dot back, and would speak it
        ("dot") at the beginning of whatever comes next.
        """
        try:
            yield from self._clauses(text)
        finally:
            list(self._clauses(""))

    def _clauses(self, text: str) -> Iterator[tuple[str, str]]:
        buffer = ctypes.create_string_buffer(text.encode())
        begin = ctypes.addressof(buffer)
        position = ctypes.c_void_p(begin)
        offset = 0
        while position.value is not None:
            ipa: bytes | None = self._library.espeak_TextToPhonemes(ctypes.byref(position), _UTF8, _IPA)
            if ipa is None:  # the engine gave up; its position may not move any more
                raise EspeakLibraryError(f"eSpeak NG can't read the text '{text[:40]}'. Reword it.")
            end = len(buffer) - 1 if position.value is None else position.value - begin
            yield ipa.decode(), buffer.raw[offset:end].decode()
            offset = end
