"""Which tensors of a checkpoint go where in another model: the plan, computed from names and shapes, and its execution.

Three things happen to a tensor of the new model. It is copied as it is. Some of its rows are copied (phonemes and
speakers are rows of a table, and go by their names where those are known). Or it stays as it was built, except that the
layers which a speaker acts through begin at zero: then a voice that learns several speakers begins as the voice it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from core_vits.config import ModelConfig

COPIED, ROWS, ZERO, NEW = "copied", "rows", "zero", "new"

SYMBOL_TABLE = "model_g.enc_p.emb.weight"
SPEAKER_TABLE = "model_g.emb_g.weight"
_TABLES = (SYMBOL_TABLE, SPEAKER_TABLE)

VOCODER_PREFIXES = ("model_g.dec.", "model_g.enc_q.", "model_g.flow.")
"""What Piper's `vocoder_warmstart_ckpt` copies: what is between a spectrogram and audio, and knows no language."""

_DECODER_FIELDS = (
    "resblock", "resblock_kernel_sizes", "resblock_dilation_sizes", "upsample_rates", "upsample_initial_channel",
    "upsample_kernel_sizes",
)  # fmt: skip
_JUDGE_FIELDS = ("discriminator_width_divisor", "use_spectral_norm")
_SPEAKER_NOISE = 0.1
"""Of a new speaker's row around the mean of the old ones, as a share of their standard deviation."""

PARTS: Mapping[str, str] = {
    "model_g.enc_p.": "text encoder",
    "model_g.enc_q.": "posterior encoder",
    "model_g.flow.": "flow",
    "model_g.dp.": "duration predictor",
    "model_g.dec.": "decoder",
    SPEAKER_TABLE: "speaker embedding",
    "model_d.": "discriminators",
    "model_mrd.": "multi-resolution discriminator",
}
CONDITIONING = "speaker conditioning"
"""The layers in all of them that a speaker's embedding goes through."""

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """For each row of the new table the row of the old one that it is made of; -1: it is new."""

    source: tuple[int, ...]

    @property
    def kept(self) -> int:
        """Rows that come from the file."""
        return sum(row >= 0 for row in self.source)

    def is_identity(self, before: int) -> bool:
        """Whether the table is the old one, with `before` rows."""
        return self.source == tuple(range(before))


@dataclass(frozen=True, kw_only=True)
class Move:
    """What becomes of one tensor of the new model."""

    name: str
    how: str
    size: int
    """Values."""
    copied: int
    """Of these, from the file."""
    rows: Rows | None = None


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """What becomes of one part of the model."""

    part: str
    tensors: int = 0
    copied_tensors: int = 0
    """Taken over whole."""
    parameters: int = 0
    copied: int = 0
    """Parameters from the file, single rows of tables included."""
    zeroed: int = 0
    dropped_tensors: int = 0
    dropped: int = 0
    """Parameters of the file that have no place in the new model."""


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """The plan for all tensors, in the order of the new model."""

    moves: tuple[Move, ...] = field(repr=False)
    dropped: Mapping[str, int] = field(repr=False)
    """Name and size of each tensor of the file that is not used, or of which rows are left out."""
    unused: int = 0
    """Parameters of the file that are not used."""

    @property
    def is_whole(self) -> bool:
        """Whether every tensor is copied and none is left over."""
        return not self.dropped and all(move.how == COPIED for move in self.moves)

    def is_exact(self, prefix: str) -> bool:
        """Whether a network is that of the file, but for rows of its tables; only then can its optimizer go on."""
        moves = [move for move in self.moves if move.name.startswith(prefix)]
        dropped = [name for name in self.dropped if name.startswith(prefix)]
        return all(move.how in (COPIED, ROWS) for move in moves) and all(name in _TABLES for name in dropped)

    def parts(self) -> list[PartCount]:
        """The counts of each part, in the order of `PARTS`."""
        names = [*PARTS.values()]
        names.insert(names.index("speaker embedding") + 1, CONDITIONING)
        counts = [self._part(name) for name in [*names, "other"]]
        return [count for count in counts if count.tensors or count.dropped_tensors]

    def _part(self, part: str) -> PartCount:
        moves = [move for move in self.moves if part_of(move.name) == part]
        dropped = {name: size for name, size in self.dropped.items() if part_of(name) == part}
        return PartCount(
            part=part,
            tensors=len(moves),
            copied_tensors=sum(move.how == COPIED for move in moves),
            parameters=sum(move.size for move in moves),
            copied=sum(move.copied for move in moves),
            zeroed=sum(move.size for move in moves if move.how == ZERO),
            dropped_tensors=len(dropped),
            dropped=sum(dropped.values()),
        )

    def generator_share(self) -> float:
        """Share of the generator's parameters that comes from the file, 0 to 1."""
        moves = [move for move in self.moves if move.name.startswith("model_g.")]
        return sum(move.copied for move in moves) / max(1, sum(move.size for move in moves))


def part_of(name: str) -> str:
    """The part of the model that a tensor belongs to, in words."""
    if is_conditioning(name):
        return CONDITIONING
    return next((part for prefix, part in PARTS.items() if name.startswith(prefix)), "other")


def is_conditioning(name: str) -> bool:
    """Whether it is of a layer that the speaker's embedding goes through."""
    return name.startswith(("model_g.dec.cond.", "model_g.dp.cond.")) or ".enc.cond_layer." in name


def whole_copy(before: Shapes, wanted: Shapes, rows: Mapping[str, Rows]) -> Surgery:
    """Every tensor whose name and shape fit, and tables by their rows."""
    return _plan(before, wanted, rows, lambda _: True)


def fitting_copy(
    before: Shapes,
    wanted: Shapes,
    rows: Mapping[str, Rows],
    configs: tuple[ModelConfig, ModelConfig],
    *,
    vocoder_only: bool,
) -> Surgery:
    """What a warm start copies.

    Decoders of another build share a few shapes by accident, and so do discriminators of another width: a tensor of
    these is copied only where the whole is built alike.

    Args:
        before, wanted: shapes of the file's tensors and of the new model's.
        rows: of the tables.
        configs: of the file and of the new model.
        vocoder_only: decoder, posterior encoder and flow only.
    """
    old, new = configs
    decoder = all(getattr(old, name) == getattr(new, name) for name in _DECODER_FIELDS)
    judges = all(getattr(old, name) == getattr(new, name) for name in _JUDGE_FIELDS)

    def may_copy(name: str) -> bool:
        if vocoder_only and not name.startswith(VOCODER_PREFIXES):
            return False
        if name.startswith("model_g.dec.") and not decoder:
            return False
        return judges or not name.startswith("model_d.")

    return _plan(before, wanted, rows, may_copy, from_zero=VOCODER_PREFIXES if vocoder_only else ("model_g.",))


def _plan(
    before: Shapes,
    wanted: Shapes,
    rows: Mapping[str, Rows],
    may_copy: Callable[[str], bool],
    from_zero: tuple[str, ...] = (),
) -> Surgery:
    moves = tuple(_moves(before, wanted, rows, may_copy, from_zero))
    used = {move.name: move.copied for move in moves if move.copied}
    sizes = {name: prod(shape) for name, shape in before.items()}
    # A row that is copied twice must not count as if another one had been used.
    for move in moves:
        if move.rows is not None:
            width = prod(before[move.name][1:])
            used[move.name] = len({row for row in move.rows.source if row >= 0}) * width
    dropped = {name: size - used.get(name, 0) for name, size in sizes.items() if used.get(name, 0) < size}
    return Surgery(moves=moves, dropped=dropped, unused=sum(dropped.values()))


def _moves(
    before: Shapes,
    wanted: Shapes,
    rows: Mapping[str, Rows],
    may_copy: Callable[[str], bool],
    from_zero: tuple[str, ...],
) -> Iterator[Move]:
    for name, shape in wanted.items():
        size = prod(shape)
        if name in before and may_copy(name):
            table = rows.get(name)
            if table is not None and tuple(before[name][1:]) == tuple(shape[1:]):
                yield Move(name=name, how=ROWS, size=size, copied=table.kept * prod(shape[1:]), rows=table)
                continue
            if tuple(before[name]) == tuple(shape):
                yield Move(name=name, how=COPIED, size=size, copied=size)
                continue
        # The direction of a weight-normalised layer stays random: at zero it would have no gradient to leave it.
        zero = is_conditioning(name) and name.startswith(from_zero) and not name.endswith(".weight_v")
        yield Move(name=name, how=ZERO if zero else NEW, size=size, copied=0)


# --- rows of the tables ---------------------------------------------------------------------------------------------


def rows_by_name(
    before: Mapping[str, Sequence[int]], after: Mapping[str, Sequence[int]], size_before: int, size_after: int
) -> Rows:
    """Which row of a table belongs to which, by the names of the rows; what has no name stays where it is not taken.

    Args:
        before, after: numbers of each name. A name with several numbers stands for a sequence of rows.
        size_before, size_after: rows of both tables.
    """
    source = [-1] * size_after
    for name, numbers in after.items():
        for new, old in zip(numbers, before.get(name, ()), strict=False):
            if 0 <= new < size_after and 0 <= old < size_before:
                source[new] = old
    return Rows(source=tuple(source))


def first_rows(size_before: int, size_after: int) -> Rows:
    """As many rows as both tables have, by their numbers."""
    return Rows(source=tuple(row if row < size_before else -1 for row in range(size_after)))


# --- execution ------------------------------------------------------------------------------------------------------


def operate(surgery: Surgery, state: Mapping[str, Tensor], built: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The state of the new model.

    Args:
        surgery: the plan.
        state: tensors of the file.
        built: tensors of the new model as it was built.
        seed: of the noise in new rows; the same on all ranks.
    """
    result = {}
    for move in surgery.moves:
        mine = built[move.name]
        if move.how == COPIED:
            result[move.name] = state[move.name]
        elif move.how == ROWS and move.rows is not None:
            result[move.name] = _moved_rows(move.rows, state[move.name], mine, seed, near=move.name == SPEAKER_TABLE)
        else:
            result[move.name] = torch.zeros_like(mine) if move.how == ZERO else mine
    return result


def _moved_rows(rows: Rows, old: Tensor, built: Tensor, seed: int, *, near: bool) -> Tensor:
    """The table [rows, width]; new rows stay as they were built, or lie `near` the mean of the old ones."""
    old = old.to(built)
    source = torch.tensor(rows.source, device=built.device)
    fresh = built
    if near:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(built.shape, generator=generator).to(built)
        spread = old.std(0) if old.shape[0] > 1 else old.abs()
        fresh = old.mean(0) + _SPEAKER_NOISE * spread * noise
    return torch.where((source >= 0).unsqueeze(1), old[source.clamp_min(0)], fresh)


def moved_moments(rows: Rows, moments: Tensor) -> Tensor:
    """Moments of a table [rows, width] after its rows moved; those of new rows are zero."""
    source = torch.tensor(rows.source, device=moments.device)
    moved = moments[source.clamp_min(0)]
    return torch.where((source >= 0).unsqueeze(1), moved, torch.zeros_like(moved))
