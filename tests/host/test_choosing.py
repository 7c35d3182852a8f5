"""Settings of plugins, the choice of a phonemizer, and the events that plugins hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.api import RunFacts
from workbench.errors import PluginError, RunError
from workbench.host import Host, speaks

from .conftest import Distributions, write

CONFIGURED = """
from dataclasses import dataclass
from workbench.api import Plugin
@dataclass(frozen=True, kw_only=True)
class Settings:
    rate: int = 5
    words: tuple[str, ...] = ()
    gain: float = 1.0
    def __post_init__(self):
        if self.rate < 1:
            raise ValueError(f"rate is {self.rate}; at least 1 is wanted")
class Configured(Plugin):
    def workbench_register_settings(self):
        return Settings
plugin = Configured()
"""

PHONEMIZERS = """
from workbench.api import PhonemizerSpec, Plugin
def broken(): raise RuntimeError("boom")
class Several(Plugin):
    def workbench_register_phonemizers(self):
        def spec(name, preference, languages, available=None, **more):
            return PhonemizerSpec(name=name, target="a:b", preference=preference, languages=frozenset(languages),
                                  available=available, **more)
        yield spec("anything", 1000, {"*"}, lambda: "no licence here")
        yield spec("elvish", 900, {"sjn"})
        yield spec("plain", 800, {"*"})
        yield spec("faulty", 950, {"*"}, broken)
        yield spec("reader", 2000, {"*"}, automatic=False)
plugin = Several()
"""

RECOGNIZERS = """
from workbench.api import PhoneRecognizerSpec, Plugin
class Ears(Plugin):
    def workbench_register_recognizers(self):
        def spec(name, preference, available=None):
            return PhoneRecognizerSpec(name=name, target="a:b", preference=preference, available=available)
        yield spec("plain", 1800)
        yield spec("deaf", 2000, lambda: "the package ears is not installed. Install it: pip install ears")
        yield spec("sharp", 1900)
plugin = Ears()
"""

LISTENER = """
from pathlib import Path
from workbench.api import Plugin, Refuse
heard = []
class Listener(Plugin):
    def workbench_run_created(self, run):
        heard.append(run.id)
        if run.id == "bad":
            raise Refuse("the moon is\\nfull")
        if run.id == "odd":
            raise SystemExit(4)
    def workbench_checkpoint_saved(self, checkpoint):
        heard.append(checkpoint)
        raise RuntimeError("boom")
plugin = Listener()
"""


def run(name: str) -> RunFacts:
    return RunFacts(id=name, folder=Path("runs") / name, workspace=Path())


def test_the_preferred_recogniser_that_is_available_hears_unless_one_is_named(distributions: Distributions) -> None:
    distributions.add("ears", RECOGNIZERS)
    host = Host.load(None, environ={})
    assert host.recognizer().spec.name == "sharp"
    assert host.recognizer("plain").spec.name == "plain"
    with pytest.raises(PluginError, match=r"nothing here can hear .*the package ears is not installed\. Install it"):
        host.recognizer("deaf")
    with pytest.raises(PluginError, match=r"no phone recogniser 'shap'; did you mean 'sharp'\?"):
        host.recognizer("shap")


def test_settings_come_from_the_workspace_file_as_the_plugins_dataclass(
    distributions: Distributions, tmp_path: Path
) -> None:
    distributions.add("configured", CONFIGURED)
    workspace = write(tmp_path, '[plugins.configured]\nrate = 7\nwords = ["a"]\ngain = 2\n')
    settings = Host.load(workspace, environ={}).settings("configured")
    assert (settings.rate, settings.words, settings.gain) == (7, ("a",), 2.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rat = 7", "workbench.toml:5: unknown key 'rat' in [plugins.configured]; did you mean 'rate'?"),
        ('rate = "7"', "workbench.toml:5: rate in [plugins.configured] is the text '7'; a whole number is wanted"),
        ("rate = 0", "rate is 0; at least 1 is wanted"),
    ],
)
def test_a_wrong_setting_fails_the_plugin_and_names_the_line(
    line: str, reason: str, distributions: Distributions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    distributions.add("configured", CONFIGURED)
    host = Host.load(write(tmp_path, f"[plugins.configured]\n{line}\n"), environ={})
    failed = next(item for item in host.plugins if item.name == "configured")
    assert failed.state == "failed"
    assert reason in failed.reason


def test_settings_of_a_plugin_that_has_none_are_told(distributions: Distributions, tmp_path: Path) -> None:
    distributions.add("several", PHONEMIZERS)
    host = Host.load(write(tmp_path, "[plugins.several]\nx = 1\n"), environ={})
    assert "has no settings" in next(item for item in host.plugins if item.name == "several").warnings[0]


def test_auto_takes_the_preferred_phonemizer_that_can_be_used(distributions: Distributions) -> None:
    distributions.add("several", PHONEMIZERS)
    host = Host.load(None, environ={"WORKBENCH_PLUGINS": "several"})
    assert host.phonemizer_for("ru").spec.name == "plain"
    assert host.phonemizer_for("sjn-ME").spec.name == "elvish"


def test_a_phonemizer_that_must_be_named_is_never_chosen_by_itself(
    distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributions.add("several", PHONEMIZERS)
    host = Host.load(None, environ={"WORKBENCH_PLUGINS": "several"})
    assert host.phonemizer_for("ru", "reader").spec.name == "reader"
    named = [item for item in host.phonemizers() if item.spec.name == "reader"]
    monkeypatch.setattr(host, "phonemizers", lambda: named)
    with pytest.raises(PluginError, match=r"reader is used only where \[text\] phonemizer names it"):
        host.phonemizer_for("ru")


def test_a_phonemizer_that_cannot_be_used_says_why(distributions: Distributions) -> None:
    distributions.add("several", PHONEMIZERS)
    host = Host.load(None, environ={"WORKBENCH_PLUGINS": "several"})
    for name, reason in (
        ("anything", "no licence here"),
        ("faulty", "its check failed: RuntimeError: boom"),
        ("elvish", "elvish doesn't speak it"),
        ("plian", "did you mean 'plain'?"),
    ):
        with pytest.raises(PluginError) as caught:
            host.phonemizer_for("ru", name)
        assert reason in str(caught.value)


def test_what_a_missing_part_may_be_due_to_is_said(distributions: Distributions) -> None:
    distributions.add("broken", "raise RuntimeError")
    host = Host.load(None, environ={"WORKBENCH_PLUGINS": "broken"})
    with pytest.raises(PluginError, match=r"no launcher 'local'; no plugin registers one \(failed: broken; disabled: "):
        host.launcher("local")


def test_a_language_covers_its_regions_but_not_other_languages() -> None:
    assert speaks(frozenset({"ru"}), "ru-RU")
    assert speaks(frozenset({"pt-BR"}), "pt_br")
    assert not speaks(frozenset({"pt-BR"}), "pt")
    assert not speaks(frozenset({"ru"}), "rue")


def test_a_refusal_is_a_run_error_with_the_plugins_name(distributions: Distributions) -> None:
    distributions.add("listener", LISTENER)
    host = Host.load(None, environ={})
    with pytest.raises(RunError, match="plugin listener refuses the run: the moon is full"):
        host.emit_run_created(run("bad"))


def test_one_listener_that_raises_does_not_keep_the_others_from_hearing(distributions: Distributions) -> None:
    first = distributions.add("listener", LISTENER)
    second = distributions.add("other", LISTENER)
    host = Host.load(None, environ={})
    host.emit_run_created(run("odd"))
    host.emit("workbench_checkpoint_saved", run=run("odd"), checkpoint=Path("a.ckpt"))
    for module in (first, second):
        assert __import__(module).heard == ["odd", Path("a.ckpt")]
    assert len(host.failures) == 4
    assert any("RuntimeError: boom" in failure for failure in host.failures)


def test_tryfirst_is_heard_first(distributions: Distributions) -> None:
    order = "from pathlib import Path\nfrom workbench.api import Plugin, hookimpl\nimport sys\nclass P(Plugin):\n"
    body = "    def workbench_run_finished(self, run): sys.heard_by.append({!r})\nplugin = P()\n"
    distributions.add("a", order + body.format("a"))
    distributions.add("b", order + "    @hookimpl(tryfirst=True)\n" + body.format("b"))
    distributions.add("c", order + "    @hookimpl(trylast=True)\n" + body.format("c"))
    import sys

    sys.heard_by = []  # type: ignore[attr-defined]  # a place that all three modules can reach
    try:
        Host.load(None, environ={}).emit("workbench_run_finished", run=run("x"), outcome="completed")
        assert sys.heard_by == ["b", "a", "c"]  # type: ignore[attr-defined]
    finally:
        del sys.heard_by  # type: ignore[attr-defined]
