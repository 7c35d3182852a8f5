"""Pane 3: what can be used now. Export a checkpoint, hear it, hear an exported voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from workbench.errors import Cancelled, WorkbenchError
from workbench.jobs.runs import CheckpointView, RunView
from workbench.tui.format import age, bar, duration, size
from workbench.tui.keys import bindings
from workbench.tui.messages import JobEnded, Progressed
from workbench.tui.panes.base import Pane
from workbench.tui.panes.checkpoint_list import CheckpointList, difference, facts_of
from workbench.tui.panes.samples import SampleList, detail_of, moment_of, newest_first
from workbench.tui.screens.dialogs import PickScreen, PromptScreen
from workbench.tui.services import Exported, Played, Spoken, VoiceFile
from workbench.tui.widgets.panel import Panel, entitle
from workbench.tui.widgets.rows import Column, RowList

if TYPE_CHECKING:
    from workbench.tail.clips import Clip
    from workbench.tail.follower import RunFollower
    from workbench.tui.watch import Snapshot

NO_VOICE = "No exported voice yet: e exports the selected checkpoint."

VOICE_COLUMNS = (Column("voice", 0), Column("size", 8, right=True), Column("age", 6, right=True), Column("", 16))


class CheckpointsPane(Pane):
    """Checkpoints of the shown run, and exported voices."""

    TITLE = "Checkpoints"
    SCOPES = ("checkpoints", "list")
    FOCUS = "#checkpoints"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("checkpoints")]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._run: RunView | None = None
        self._voices: tuple[VoiceFile, ...] = ()
        self._exports: Mapping[Path, Exported] = {}
        self._last_list: str = "#checkpoints"
        self._ages: tuple[str, ...] = ()
        self._sample_epoch = -1
        """Where the cursor of the samples is to go once that epoch is read; negative to leave it."""
        self._sample_listing = 0
        self._job = ""
        self._job_started = 0.0
        self._job_progress = ""
        self._result = ""
        self._wav = Path()
        self._run_speakers: tuple[str, ...] = ()
        self.sentence = ""
        self.speaker = ""
        self.exporter = ""
        """The last that was chosen; empty before: then that of the run's last export."""

    def compose(self) -> ComposeResult:
        """Checkpoints, voices, detail, what is under way."""
        with Horizontal(id="middle"):
            with Vertical(id="lists"):
                yield CheckpointList(self.services.now, id="checkpoints")
                yield RowList(VOICE_COLUMNS, self._voice_cells, id="voices", empty=NO_VOICE)
                yield SampleList(self.services.now, id="samples")
            yield Panel(id="detail", title="detail")
        yield Panel(id="job", title="speech and export")

    def on_mount(self) -> None:
        """Titles."""
        entitle(self.voices, "exported voices")
        self.samples.display = False
        self.sentence = self.services.default_sentence()
        self._show_job()

    @property
    def checkpoints(self) -> CheckpointList:
        """The upper list."""
        return self.query_one("#checkpoints", CheckpointList)

    @property
    def voices(self) -> RowList:
        """The lower list."""
        return self.query_one("#voices", RowList)

    @property
    def samples(self) -> SampleList:
        """The list that stands in the place of the voices while it is shown."""
        return self.query_one("#samples", SampleList)

    @property
    def needs_curves(self) -> bool:
        """The samples lie in the event files."""
        return self.is_mounted and self.samples.display

    def looked(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        """Show other checkpoints and voices when there are any; the cursor stays on its file."""
        run = snapshot.run
        before = self._run
        self._run = run
        other = before is None or run is None or before.folder != run.folder
        if other or (before is not None and run is not None and before.checkpoints != run.checkpoints):
            self.checkpoints.show_run(run)
        if snapshot.exports != self._exports:
            self._exports = self.checkpoints.exports = snapshot.exports
            self.checkpoints.refresh()
            self._show_detail()
        if snapshot.speakers != self._run_speakers:
            self._run_speakers = snapshot.speakers
            self._show_job()
        if snapshot.voices != self._voices or curves_changed:
            self._voices = snapshot.voices
            self.voices.show(self._voices)
        if self.needs_curves and (curves_changed or other):
            self._list_samples(curves)
        self.ticked()

    def ticked(self) -> None:
        """Ages grow, and so does the time that a job takes."""
        now = self.services.now()
        ages = tuple(age(now - item.time) for item in (*self.checkpoints.items, *self.voices.items))
        if ages != self._ages:
            self._ages = ages
            self.checkpoints.refresh()
            self.voices.refresh()
            self.samples.refresh()
        if self._job:
            self._show_job()

    def _voice_cells(self, voice: VoiceFile) -> Sequence[str]:
        note = "✓ .onnx.json" if voice.has_config else "✗ no .onnx.json"
        return (voice.label, size(voice.bytes), age(self.services.now() - voice.time), note)

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_detail()
        self._show_job()

    def on_descendant_focus(self) -> None:
        """The detail speaks of the list that has the focus."""
        self._show_detail()
        self._show_job()

    @property
    def _selected(self) -> CheckpointView | VoiceFile | Clip | None:
        """In the list that has the focus, or had it last."""
        # The focus may be in another pane by now: an export that ends is shown here all the same.
        focused = self.screen.focused
        if focused in {self.checkpoints, self.voices, self.samples} and focused is not None:
            self._last_list = f"#{focused.id}"
        chosen: CheckpointView | VoiceFile | Clip | None = self.query_one(self._last_list, RowList).selected
        return chosen

    def _show_detail(self) -> None:
        self.query_one("#detail", Panel).show(self._detail())

    def _detail(self) -> str:
        chosen = self._selected
        if chosen is None:
            return "nothing selected"
        if isinstance(chosen, VoiceFile):
            lines = [chosen.label, "", f"folder  {self.short(chosen.onnx.parent)}", f"size    {size(chosen.bytes)}"]
            lines.append("config  ✓ .onnx.json beside it" if chosen.has_config else "config  ✗ .onnx.json is missing")
            return "\n".join([*lines, "", "␣ speaks the sentence with it"])
        if not isinstance(chosen, CheckpointView):
            return detail_of(chosen, self.short(chosen.entry.path))
        path = Path(chosen.file)
        lines = facts_of(chosen, self.short(path.parent))
        exported = self._exports.get(path)
        if exported is not None:
            lines += ["", *self._report(exported)]
        return "\n".join(
            [
                *lines,
                "",
                "e exports it as a voice",
                "␣ speaks the sentence with it",
                "T edits the sentence",
                "n starts a new run from it",
            ]
        )

    def action_samples(self) -> None:
        """Show the samples in the place of the voices, at the epoch of the selected checkpoint; or hide them."""
        shown = not self.samples.display
        self.samples.display, self.voices.display = shown, not shown
        self.set_class(shown, "-samples")
        if not shown:
            self._last_list = "#checkpoints"
            self.checkpoints.focus()
            self._show_detail()
            return
        checkpoint: CheckpointView | None = self.checkpoints.selected
        self._sample_epoch = -1 if checkpoint is None else checkpoint.epoch
        self._list_samples(self.workbench.curves)
        self.samples.focus()

    def _list_samples(self, curves: RunFollower | None) -> None:
        """Thousands of clips take longer to put in order than a key may."""
        self._sample_listing += 1
        listing = self._sample_listing

        def listed(found: tuple[list[Clip], bool]) -> None:
            if listing != self._sample_listing:
                return  # one that was begun later knows more, and threads end in any order
            clips, reading = found
            self.samples.show_clips(clips, reading=reading, epoch=self._sample_epoch)
            if not reading or any(clip.epoch == self._sample_epoch for clip in clips):
                self._sample_epoch = -1

        self.workbench.in_thread(lambda: newest_first(curves), listed)

    def _play_sample(self, clip: Clip, run: RunView) -> None:
        def work(_progress: object) -> tuple[Path, Played]:
            wav = self.services.extract(run, clip)
            return wav, self.services.play(wav)

        self._begin(f"playing the sample of {moment_of(clip)}", work, "sample")

    def action_export(self) -> None:
        """Export the selected checkpoint."""
        chosen, run = self.checkpoints.selected, self._run
        if chosen is None or run is None:
            self.say("nothing to export: there is no checkpoint yet; press t to train", "warn")
            return
        path, epoch = Path(chosen.file), chosen.epoch
        formats = {f"{item.exporter:<12} {item.summary}": item.exporter for item in self.services.formats()}

        def picked(label: str | None) -> None:
            if label is not None:
                self.exporter = formats[label]
                self._export(run, path, epoch, several=True)

        if self._job or len(formats) < 2:
            self.exporter = next(iter(formats.values()), self.exporter)
            self._export(run, path, epoch, several=False)
            return
        last = self.exporter or next(
            (item.exporter for item in reversed([*self._exports.values()]) if item.exporter), ""
        )
        chosen_label = next((label for label, exporter in formats.items() if exporter == last), "")
        self.app.push_screen(PickScreen("export as", [*formats], chosen_label), picked)

    def _export(self, run: RunView, path: Path, epoch: int, *, several: bool) -> None:
        exporter = self.exporter
        name = f"export of epoch {epoch}{f' as {exporter}' if several else ''}"
        self._begin(name, lambda progress: (path, self.services.export(run, path, exporter, progress)), "export")

    def action_speak(self) -> None:
        """Speak the sentence with what is selected."""
        chosen = self._selected
        if chosen is None:
            self.say("no checkpoint and no voice here to speak with; press t to train", "warn")
            return
        if not isinstance(chosen, CheckpointView | VoiceFile):
            if self._run is not None:
                self._play_sample(chosen, self._run)
            return
        voice = isinstance(chosen, VoiceFile)
        source = chosen.onnx if isinstance(chosen, VoiceFile) else Path(chosen.file)
        run = None if voice else self._run
        text, speaker = self.sentence, self._chosen_speaker
        name = f"speech of {source.name}"
        self._begin(name, lambda progress: self.services.speak(source, run, text, speaker, progress), "speak")

    @property
    def _speakers(self) -> tuple[str, ...]:
        """Of what is selected; none where there is one."""
        chosen = self._selected
        return chosen.speakers if isinstance(chosen, VoiceFile) else self._run_speakers

    @property
    def _chosen_speaker(self) -> str:
        """The one that was chosen, if what is selected has it, or else the first."""
        speakers = self._speakers
        return self.speaker if self.speaker in speakers else next(iter(speakers), "")

    def action_speaker(self) -> None:
        """Choose who speaks."""

        def picked(name: str | None) -> None:
            if name is not None:
                self.speaker = name
                self._show_job()

        if not self._speakers:
            self.say("there is one speaker here")
            return
        self.app.push_screen(PickScreen("speaker", self._speakers, self._chosen_speaker), picked)

    def action_new_run(self) -> None:
        """Ask about a training that begins with the selected checkpoint."""
        chosen = self.checkpoints.selected
        if chosen is None:
            self.say("nothing to begin with: there is no checkpoint yet; press t to train", "warn")
            return
        self.workbench.begin_with(Path(chosen.file))

    def action_sentence(self) -> None:
        """Edit the sentence."""

        def edited(text: str | None) -> None:
            if text is not None and text.strip():
                self.sentence = text.strip()
                self._show_job()

        hint = "Enter keeps it, esc leaves the old one. ␣ speaks it."
        self.app.push_screen(PromptScreen("sentence to speak", self.sentence, hint), edited)

    def action_cancel(self) -> None:
        """Give up what is under way."""
        if not self._job:
            self.say("nothing is under way here")
            return
        pool = "audio" if self._job.startswith("playing") else "torch"
        self.workbench.in_thread(lambda: self.services.cancel(pool))

    def _begin(self, name: str, work: object, kind: str) -> None:
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return
        self._job, self._job_started, self._job_progress = name, self.services.now(), ""
        self.workbench.start_job(self, kind, name, work)  # type: ignore[arg-type]  # a callable that takes a progress
        self._show_job()

    @on(Progressed)
    def _progressed(self, event: Progressed) -> None:
        event.stop()
        share = f"{bar(event.done / event.total, 20)} {100 * event.done / event.total:.0f} %  " if event.total else ""
        self._job_progress = f"{share}{event.what}"
        self._show_job()

    @on(JobEnded)
    def _ended(self, event: JobEnded) -> None:
        name, self._job = self._job, ""
        if isinstance(event.error, Cancelled):
            self._result = f"{name} was cancelled; nothing half-written is left"
            self.say(self._result, "warn")
        elif event.error is not None:
            text = str(event.error)
            self._result = f"✗ {text}"
            self.say(text if isinstance(event.error, WorkbenchError) else f"{name} failed: {text}", "bad")
        elif event.job == "export":
            self._exported(*event.result)  # type: ignore[misc]  # as `action_export` returns it
        elif event.job == "sample":
            self._sample_played(*event.result)  # type: ignore[misc]  # as `_play_sample` returns it
        elif isinstance(event.result, Spoken):
            self._spoken(event.result)
        elif isinstance(event.result, Played):
            self._played(event.result)
        self._show_job()
        self._show_detail()

    def _sample_played(self, wav: Path, played: Played) -> None:
        self._wav = self.short(wav)
        self._result = f"WAV {self._wav}"
        self._played(played)

    def _played(self, played: Played) -> None:
        line = played.line(self._wav)
        self._result = f"{self._result.splitlines()[0]}\n{'✓' if played.played else '▲'} {line}"
        self.say(line, "good" if played.played else "warn")

    def _exported(self, path: Path, exported: Exported) -> None:
        others = {other: item for other, item in self._exports.items() if other != path}
        self._exports = self.checkpoints.exports = {**others, path: exported}
        self._result = "\n".join(self._report(exported))
        if exported.accepted:
            name = exported.files[0].name if exported.files else "the voice"
            self.say(f"exported {name}, largest difference from the checkpoint {difference(exported)}", "good")
        else:
            self.say(f"not exported: {exported.message}", "bad")
        self.checkpoints.refresh()
        self.workbench.look_again()

    def _spoken(self, spoken: Spoken) -> None:
        self._wav = self.short(spoken.wav)
        self._result = f"WAV {self._wav}  {spoken.seconds:.1f} s  peak {spoken.peak:.2f}"
        self._begin(f"playing {spoken.wav.name}", lambda _: self.services.play(spoken.wav), "play")

    def _report(self, exported: Exported) -> list[str]:
        if not exported.accepted:
            return [f"✗ not exported: {exported.message}", f"largest difference {difference(exported)}"]
        main = self.short(exported.files[0]) if exported.files else "the voice"
        if exported.replaced:
            return [f"it was exported as {main}, where another voice stands now, or none"]
        others = ", ".join(file.name for file in exported.files[1:])
        beside = [f"  and {others}"] if others else []
        return [f"✓ exported {main}, largest difference {difference(exported)} of full scale", *beside]

    def _show_job(self) -> None:
        who = self._chosen_speaker
        lines = [f"{who}: «{self.sentence}»   T edits, S another speaker" if who else f"«{self.sentence}»   T edits"]
        if self._job:
            elapsed = duration(self.services.now() - self._job_started)
            lines.append(f"{self._job}  {elapsed}   {self._job_progress}   x cancels")
        self.query_one("#job", Panel).show("\n".join([*lines, self._result or "␣ speaks it, e exports"]))
