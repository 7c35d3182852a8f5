"""What a VITS model is made of, as plain validated values.

Field names are Piper's hyperparameter names wherever Piper has one, so that a checkpoint's `hyper_parameters`
and these classes can be read side by side. Nothing here imports torch: the workbench reads configurations in
processes that must start fast.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Literal, cast

# Piper gives a multi-speaker model this speaker embedding width unless told otherwise.
DEFAULT_SPEAKER_CHANNELS = 512
# Of the longest spectrogram of the multi-resolution discriminator (FFT size 2048, hop 240), samples.
LONGEST_RESOLUTION_PADDING = (2048 - 240) // 2


class ConfigError(ValueError):
    """A configuration contradicts itself; the message says which field to change and to what."""


def _require_positive(owner: object, *names: str) -> None:
    """Check that the named fields are at least 1.

    Raises:
        ConfigError: naming the first field that is not.
    """
    for name in names:
        value = getattr(owner, name)
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1. Set a positive {name}.")


@dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """How audio is sampled and turned into spectrograms."""

    sample_rate: int = 22_050
    """Hz."""
    filter_length: int = 1024
    """FFT size, samples."""
    hop_length: int = 256
    """Samples between two frames."""
    win_length: int = 1024
    """Length of the Hann window, samples."""
    mel_channels: int = 80
    """Mel bands of the reconstruction loss."""
    mel_fmin: float = 0.0
    """Lowest frequency of the mel bands, Hz."""
    mel_fmax: float | None = None
    """Highest frequency of the mel bands, Hz; None = half the sample rate."""

    def __post_init__(self) -> None:
        _require_positive(self, "sample_rate", "filter_length", "hop_length", "win_length", "mel_channels")
        if self.win_length > self.filter_length:
            raise ConfigError(
                f"win_length is {self.win_length}, longer than filter_length {self.filter_length}. "
                f"Lower win_length to at most {self.filter_length}."
            )
        if self.hop_length > self.win_length:
            raise ConfigError(
                f"hop_length is {self.hop_length}, longer than win_length {self.win_length}: samples would be "
                f"skipped. Lower hop_length to at most {self.win_length}."
            )
        if (self.filter_length - self.hop_length) % 2:
            raise ConfigError(
                f"filter_length {self.filter_length} minus hop_length {self.hop_length} is odd and cannot be "
                "padded evenly on both sides. Change one of them by 1."
            )
        nyquist = self.sample_rate / 2
        highest = nyquist if self.mel_fmax is None else self.mel_fmax
        if not 0.0 <= self.mel_fmin < highest <= nyquist:
            raise ConfigError(
                f"mel_fmin {self.mel_fmin} Hz and mel_fmax {highest} Hz do not lie within 0 and {nyquist} Hz in "
                "that order. Change them, or leave mel_fmax empty for half the sample rate."
            )

    @property
    def spectrogram_bins(self) -> int:
        """Frequency bins of the linear spectrogram."""
        return self.filter_length // 2 + 1


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Factors of the generator's loss terms; the terms not named here have weight 1."""

    mel: float = 45.0
    kl: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mel", "kl"):
            if getattr(self, name) < 0:
                raise ConfigError(f"the weight of the {name} loss is {getattr(self, name)}. Set 0 or more.")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The architecture of generator and discriminators; the defaults are Piper's `medium`."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    num_symbols: int = 256
    """Size of the phoneme id table; every id must be below it."""
    num_speakers: int = 1
    gin_channels: int = 0
    """Width of the speaker embedding; with several speakers 0 becomes 512, as in Piper."""

    inter_channels: int = 192
    """Width of the latent between posterior encoder, flow and decoder; even."""
    hidden_channels: int = 192
    """Width of text encoder, posterior encoder, flow and duration predictor."""
    filter_channels: int = 768
    """Inner width of the text encoder's feed-forward layers."""
    n_heads: int = 2
    n_layers: int = 6
    """Layers of the text encoder."""
    kernel_size: int = 3
    """Kernel of the text encoder's feed-forward convolutions; odd."""
    p_dropout: float = 0.1
    """Dropout of the text encoder."""

    resblock: Literal["1", "2"] = "2"
    """HiFi-GAN's residual block: "1" has two convolutions per dilation, "2" has one."""
    resblock_kernel_sizes: tuple[int, ...] = (3, 5, 7)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 2), (2, 6), (3, 12))
    upsample_rates: tuple[int, ...] = (8, 8, 4)
    """Factors of the decoder's stages; their product is hop_length."""
    upsample_initial_channel: int = 256
    """Decoder width before the first stage; each stage halves it."""
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 8)

    posterior_layers: int = 16
    """Layers of the posterior encoder's gated stack; 16 in Piper, whose hyperparameters know no other number."""
    flow_layers: int = 4
    """Layers of each coupling's gated stack in the flow; 4 in Piper, as above."""

    use_sdp: bool = True
    """Stochastic duration predictor; False = the plain convolutional one."""
    use_spectral_norm: bool = False
    """Spectral instead of weight normalisation in the waveform discriminator."""
    use_mrd: bool = False
    """Also judge the audio with the multi-resolution spectrogram discriminator."""
    segment_size: int = 8192
    """Samples of the random segment that is decoded and judged in a training step."""
    discriminator_width_divisor: int = 1
    """Divides the channels of the waveform discriminator; 1 = Piper's width, the only one Piper can load."""

    def __post_init__(self) -> None:
        if self.num_speakers > 1 and self.gin_channels <= 0:
            object.__setattr__(self, "gin_channels", DEFAULT_SPEAKER_CHANNELS)
        self._check_widths()
        self._check_decoder()
        self._check_segment()

    def _check_widths(self) -> None:
        _require_positive(
            self, "num_symbols", "num_speakers", "hidden_channels", "filter_channels", "n_heads",
            "n_layers", "kernel_size", "inter_channels", "posterior_layers", "flow_layers",
        )  # fmt: skip
        if self.gin_channels < 0:
            raise ConfigError(f"gin_channels is {self.gin_channels}. Set 0 for a single speaker.")
        if self.hidden_channels % self.n_heads:
            raise ConfigError(
                f"hidden_channels {self.hidden_channels} cannot be split over n_heads {self.n_heads}. "
                f"Make hidden_channels a multiple of {self.n_heads}."
            )
        if self.inter_channels % 2:
            raise ConfigError(f"inter_channels is {self.inter_channels}; the flow splits it in halves. Make it even.")
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size is {self.kernel_size}. Use an odd one.")
        if not 0.0 <= self.p_dropout < 1.0:
            raise ConfigError(f"p_dropout is {self.p_dropout}. Set a value from 0 to below 1, usually 0.1.")
        divisor = self.discriminator_width_divisor
        if divisor not in (1, 2, 4, 8, 16, 32):
            raise ConfigError(f"discriminator_width_divisor is {divisor}. Use 1, 2, 4, 8, 16 or 32.")

    def _check_decoder(self) -> None:
        if self.resblock not in ("1", "2"):
            raise ConfigError(f"resblock is {self.resblock!r}. Use '1' or '2' (with quotes).")
        if not self.resblock_kernel_sizes or not self.upsample_rates:
            raise ConfigError(
                "resblock_kernel_sizes and upsample_rates must not be empty. Give at least one number each."
            )
        kernels, dilations = len(self.resblock_kernel_sizes), len(self.resblock_dilation_sizes)
        if kernels != dilations:
            raise ConfigError(
                f"there are {kernels} resblock_kernel_sizes but {dilations} resblock_dilation_sizes. "
                "Give one tuple of dilations per kernel."
            )
        if any(kernel % 2 == 0 for kernel in self.resblock_kernel_sizes):
            raise ConfigError(f"resblock_kernel_sizes {self.resblock_kernel_sizes} has an even size. Use odd ones.")
        rates, sizes = self.upsample_rates, self.upsample_kernel_sizes
        if len(rates) != len(sizes):
            raise ConfigError(
                f"there are {len(rates)} upsample_rates but {len(sizes)} upsample_kernel_sizes. Give one kernel "
                "per rate."
            )
        for rate, size in zip(rates, sizes, strict=True):
            if size < rate or (size - rate) % 2:
                raise ConfigError(
                    f"upsample kernel {size} does not fit rate {rate}. Use an even number above the rate, "
                    f"usually {2 * rate}."
                )
        if prod(rates) != self.audio.hop_length:
            raise ConfigError(
                f"upsample_rates {rates} multiply to {prod(rates)}, but hop_length is {self.audio.hop_length}. "
                "Make the product equal hop_length."
            )
        if self.upsample_initial_channel % 2 ** len(rates):
            raise ConfigError(
                f"upsample_initial_channel {self.upsample_initial_channel} cannot be halved {len(rates)} times. "
                f"Make it a multiple of {2 ** len(rates)}."
            )

    def _check_segment(self) -> None:
        hop = self.audio.hop_length
        if self.segment_size < hop or self.segment_size % hop:
            raise ConfigError(
                f"segment_size {self.segment_size} is not a multiple of hop_length {hop}. Set for instance {32 * hop}."
            )
        # Reflection needs more signal than padding; a shorter segment would fail in the first step.
        padding = (self.audio.filter_length - hop) // 2
        if self.use_mrd:
            padding = max(padding, LONGEST_RESOLUTION_PADDING)
        if self.segment_size <= padding:
            raise ConfigError(
                f"segment_size {self.segment_size} is too short for the spectrograms that are made of it. "
                f"Set more than {padding} samples."
            )

    @property
    def segment_frames(self) -> int:
        """Frames of the random training segment."""
        return self.segment_size // self.audio.hop_length


_SIXTEEN_KHZ = AudioConfig(sample_rate=16_000)

PRESETS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "x-low": ModelConfig(audio=_SIXTEEN_KHZ, hidden_channels=96, inter_channels=96, filter_channels=384),
        "low": ModelConfig(audio=_SIXTEEN_KHZ),
        "medium": ModelConfig(),
        "high": ModelConfig(
            resblock="1",
            resblock_kernel_sizes=(3, 7, 11),
            resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
            upsample_rates=(8, 8, 2, 2),
            upsample_initial_channel=512,
            upsample_kernel_sizes=(16, 16, 4, 4),
        ),
        "tiny": ModelConfig(
            hidden_channels=32,
            inter_channels=32,
            filter_channels=64,
            n_layers=2,
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1, 3),),
            upsample_initial_channel=64,
            use_sdp=False,  # a third of a step's time on a CPU: thousands of small operations
            posterior_layers=4,
            flow_layers=2,
            segment_size=4096,
            discriminator_width_divisor=16,
        ),
    }
)
"""Piper's qualities, and `tiny`: for demonstrations and tests, several steps a second on two CPU cores."""

_AUDIO_FIELDS = (
    "sample_rate", "filter_length", "hop_length", "win_length", "mel_channels", "mel_fmin", "mel_fmax",
)  # fmt: skip
_MODEL_FIELDS = (
    "num_symbols", "num_speakers", "gin_channels", "inter_channels", "hidden_channels", "filter_channels",
    "n_heads", "n_layers", "kernel_size", "p_dropout", "resblock", "resblock_kernel_sizes",
    "resblock_dilation_sizes", "upsample_rates", "upsample_initial_channel", "upsample_kernel_sizes",
    "use_sdp", "use_spectral_norm", "use_mrd", "segment_size",
)  # fmt: skip
_TUPLE_FIELDS = frozenset(
    {
        "resblock_kernel_sizes",
        "resblock_dilation_sizes",
        "upsample_rates",
        "upsample_kernel_sizes",
    }
)


def model_config_from_piper(hyperparameters: Mapping[str, object]) -> ModelConfig:
    """Read the architecture out of a Piper checkpoint's `hyper_parameters`.

    Args:
        hyperparameters: as stored; keys that do not describe the architecture are ignored, missing ones keep
            Piper's default, sequences may be lists, tuples or strings such as `"(3,5,7)"`.

    Raises:
        ConfigError: if a value is of the wrong kind or the values contradict each other.
    """
    values = {
        name: _as_tuples(name, hyperparameters[name]) if name in _TUPLE_FIELDS else hyperparameters[name]
        for name in (*_AUDIO_FIELDS, *_MODEL_FIELDS)
        if name in hyperparameters
    }  # fmt: skip
    if "resblock" in values:
        values["resblock"] = str(values["resblock"])
    audio_values = {name: values.pop(name) for name in _AUDIO_FIELDS if name in values}
    try:
        # The values come from a file: whatever has the wrong type fails in the checks of the dataclasses.
        audio = AudioConfig(**cast("dict[str, float]", audio_values))  # type: ignore[arg-type]
        return ModelConfig(audio=audio, **values)  # type: ignore[arg-type]
    except (TypeError, RuntimeError, OverflowError) as error:  # a tensor or an endless number where a number is due
        raise ConfigError(
            f"the checkpoint's hyperparameters hold a value of the wrong type ({error}). "
            "Give the architecture by preset instead."
        ) from None


def piper_hyperparameters(config: ModelConfig) -> dict[str, object]:
    """The architecture as Piper writes it into `hyper_parameters`: plain values, lists instead of tuples.

    `discriminator_width_divisor` is left out: Piper has no such option and refuses unknown keys.
    """
    audio = {name: getattr(config.audio, name) for name in _AUDIO_FIELDS}
    model = {name: _as_lists(getattr(config, name)) for name in _MODEL_FIELDS}
    return audio | model


def _as_tuples(name: str, value: object) -> object:
    """Turn nested lists, or their spelling as a string, into nested tuples.

    Raises:
        ConfigError: if the string is not a sequence of numbers.
    """
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ConfigError(f"{name} is {value!r}, which is no sequence. Write it like '(8,8,4)'.") from None
    if isinstance(value, (list, tuple)):
        return tuple(_as_tuples(name, item) for item in value)
    return value


def _as_lists(value: object) -> object:
    if isinstance(value, tuple):
        return [_as_lists(item) for item in value]
    return value
