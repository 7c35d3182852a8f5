"""Arguments of each verb, and the function that runs it, which is imported only then."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from workbench.bench.parts import PARTS
from workbench.cli.values import decibels, factor, path, positive, seconds, shard, ways
from workbench.config.settings import CONTINUE, KEEP, RESUME, SET, VOCODER, WARM_START
from workbench.executors import NAMES as EXECUTORS


def _init(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.dataset:run_init")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=path, help="folder of the dataset (default: .)")
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")


def _adopt(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.adopt:run_adopt")
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="*",
        help="folder, train script, config.yaml of a run, '-' (a command line on stdin), or, in quotes or behind '--', "
        "the command line itself (default: .)",
    )
    parser.add_argument("--to", metavar="FOLDER", type=path, help="folder of the voice (default: the project's)")
    parser.add_argument(
        "--var",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="value of a variable that the script does not set",
    )
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")


def _health(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.dataset:run_health")
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=path,
        help="folder or table of any dataset, with or without a workspace (default: the workspace here)",
    )
    parser.add_argument("--all", action="store_true", help="print every finding, not the first 30 of each kind")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings as well")
    parser.add_argument("--language", choices=("en", "ru"), help="language of what is printed (default: en)")
    parser.add_argument("--sarif", metavar="FILE", type=path, help="write the findings as SARIF 2.1.0 as well")
    parser.add_argument(
        "--shard",
        metavar="I/N",
        type=shard,
        help="only measure part I of N of the recordings, for a later check on the same disk; nothing is judged",
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="auto",
        help="where recordings are measured: here, in processes, on a Ray cluster (default auto)",
    )


def _mismatch(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.mismatch:run_mismatch")
    parser.add_argument(
        "--checkpoint",
        metavar="CKPT",
        help="do not listen, but ask a trained voice (file, run id, 'latest' or 'best') how likely it finds each clip",
    )
    parser.add_argument("--threads", type=positive, default=1, help="threads that listen (default 1)")
    parser.add_argument(
        "--recognizer", metavar="NAME", default="auto", help="phone recogniser (default: the best one that works)"
    )
    parser.add_argument("--all", action="store_true", help="print every finding, not the first 30 of each kind")


def _curate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.curate:run_curate")
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        default="list",
        choices=("list", "exclude", "include", "correct", "mend", "take", "undo", "write"),
        help="list (default), exclude FILE…, include FILE…, correct FILE TEXT, mend FILE…, take FILE OTHER, undo, or "
        "write FOLDER",
    )
    parser.add_argument("items", metavar="ITEM", nargs="*", help="recordings as the metadata names them; see ACTION")
    parser.add_argument("--why", metavar="TEXT", default="", help="exclude: the reason, kept with the row")
    parser.add_argument(
        "--how",
        metavar="WAY[,WAY]",
        type=ways,
        default=(),
        help="mend: left (first channel alone), dc (no constant offset), rate (the voice's), trim (silence at both "
        "ends); a copy is always 16-bit mono",
    )
    parser.add_argument("--gain", metavar="DB", type=decibels, default=0.0, help="mend: louder or quieter, in dB")


def _prepare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.prepare:run_prepare")
    parser.add_argument(
        "--shard",
        metavar="I/N",
        type=shard,
        help="only the I-th of N equal parts of the rows, for several machines at once that share the workspace",
    )
    parser.add_argument(
        "--check", action="store_true", help="make nothing; exit code 1 if rows have no clip yet, and which shards"
    )
    parser.add_argument(
        "--verify", action="store_true", help="read every recording and all prepared audio again, changed or not"
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="auto",
        help="where recordings are cut: here, in processes, on a Ray cluster (default auto)",
    )


def _train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.training:run_train")
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run (id, folder or 'latest') where it stopped; with other settings, or from a .ckpt file, "
        "a new run goes on from there",
    )
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="CKPT",
        help="begin a new run with a checkpoint (file, run id, 'latest' or 'best'), or 'none' for a run from scratch "
        "(overrides [start] checkpoint)",
    )
    parser.add_argument(
        "--mode",
        choices=(RESUME, WARM_START, VOCODER),
        help="resume: go on where it stopped; warm-start: all weights that fit, at epoch 0; vocoder: decoder, "
        "posterior encoder and flow only",
    )
    parser.add_argument(
        "--learning-rate",
        choices=(CONTINUE, KEEP, SET),
        help="on resuming: let the file's rate decay on, keep it constant, or set that of [training]",
    )
    about = "print what the run would begin with and do not start it; exit code 1 if it can't begin so"
    parser.add_argument("--plan", action="store_true", help=about)
    parser.add_argument("--epochs", type=positive, help="epochs to train (overrides [training] epochs)")
    parser.add_argument("--max-steps", type=positive, help="batches after which training ends")
    parser.add_argument(
        "--set",
        metavar="TABLE.KEY=VALUE",
        action="append",
        default=[],
        help="override a setting for this run, for instance --set training.batch_size=8",
    )
    parser.add_argument("--detach", action="store_true", help="return as soon as it has started")


def _runs(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.runs:run_runs")
    parser.add_argument("run_name", metavar="RUN", nargs="?", help="id, folder or 'latest'; default: list all")
    parser.add_argument("--follow", action="store_true", help="follow the run until it ends")
    parser.add_argument("--settings", action="store_true", help="print the settings that the run was started with")


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.training:run_stop")
    parser.add_argument("run_name", metavar="RUN", nargs="?", help="id or folder; default: the run that is active")
    parser.add_argument("--wait", metavar="SECONDS", type=seconds, default=60.0, help="how long to wait (default 60)")


def _checkpoints(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.runs:run_checkpoints")
    parser.add_argument("run_name", metavar="RUN", nargs="?", default="latest", help="id, folder or 'latest'")


def _samples(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.samples:run_samples")
    parser.add_argument("run_name", metavar="RUN", nargs="?", default="latest", help="id, folder or 'latest'")
    parser.add_argument("--all", action="store_true", help="list every sample, not the newest 20")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--write", metavar="N", type=positive, help="write sample N as a WAV")
    one.add_argument("--play", metavar="N", type=positive, help="write sample N and play it")
    parser.add_argument("--out", metavar="WAV", type=path, help="file to write (default: a new one in voices/spoken)")
    parser.add_argument("--player", metavar="NAME", default="auto", help="player (default: the best one that works)")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.voices:run_export")
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", default="latest", help="file, run id, 'latest' or 'best'"
    )
    parser.add_argument("--out", metavar="FOLDER", type=path, help="folder for the voice (default: [paths] voices)")
    parser.add_argument("--exporter", metavar="NAME", default="onnx", help="voice format (default onnx)")


def _speak(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.voices:run_speak")
    parser.add_argument(
        "text", metavar="TEXT", nargs="?", help="what to say; '-': read it from stdin (default: a sentence)"
    )
    parser.add_argument(
        "--with",
        dest="source",
        metavar="SOURCE",
        default="latest",
        help="voice (.onnx), checkpoint, run id, 'latest' (default) or 'best'",
    )
    parser.add_argument("--out", metavar="WAV", type=path, help="file to write (default: a new one in voices/spoken)")
    parser.add_argument("--speaker", metavar="NAME", help="name or number of the speaker of a multi-speaker voice")
    parser.add_argument("--length-scale", type=factor, help="tempo: 1 as trained, 2 twice as slow")
    parser.add_argument("--player", metavar="NAME", default="auto", help="player (default: the best one that works)")
    parser.add_argument("--no-play", action="store_true", help="only write the file")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="play while it is being made: sentence by sentence, or sooner with a voice "
        "that `export --exporter onnx-stream` wrote",
    )


def _convert(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.convert:run_convert")
    parser.add_argument("file", metavar="FILE", type=path, help="the checkpoint; it stays as it is")
    parser.add_argument("--out", metavar="NEW.ckpt", type=path, required=True, help="file to write; must not exist yet")
    parser.add_argument(
        "--i-trust-this-file",
        dest="trust",
        action="store_true",
        help="let the file run its code, in a process of its own, if it can't be read without",
    )


def _plugins(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.plugins:run_plugins")
    parser.add_argument("name", metavar="NAME", nargs="?", help="show one plugin in full")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.doctor:run_doctor")


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.bench:run_bench")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        choices=tuple(PARTS),
        help=f"measure this part only (more than once for several): {', '.join(PARTS)}",
    )
    about = "how long to measure each part, loading and warming up not counted (default 2)"
    parser.add_argument("--seconds", metavar="S", type=seconds, default=2.0, help=about)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.report:run_report")
    about = "folder of a workspace, or of a Piper project that was not adopted (default: .)"
    parser.add_argument("path", metavar="PATH", nargs="?", type=path, help=about)
    parser.add_argument("--output", metavar="FILE.md", type=path, help="write Markdown instead of printing")
    parser.add_argument(
        "--language", choices=("en", "ru"), help="language of the report (default: the locale's, else the voice's)"
    )
    about = "decode no recording and read no text; what is in them is then not known"
    parser.add_argument("--quick", action="store_true", help=about)


def _walk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.walk:run_walk")
    parser.add_argument("--steps", type=positive, default=40, help="batches to train (default 40)")
    parser.add_argument("--text", help="what to say at the end (default: a sentence)")


ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "init": _init,
    "adopt": _adopt,
    "health": _health,
    "mismatch": _mismatch,
    "curate": _curate,
    "prepare": _prepare,
    "train": _train,
    "runs": _runs,
    "stop": _stop,
    "checkpoints": _checkpoints,
    "samples": _samples,
    "export": _export,
    "speak": _speak,
    "convert": _convert,
    "plugins": _plugins,
    "doctor": _doctor,
    "bench": _bench,
    "report": _report,
    "walk": _walk,
}
"""What adds the arguments of each verb."""
