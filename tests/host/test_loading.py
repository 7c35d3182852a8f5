"""Every way in which a plugin can be broken becomes a state with a reason, and the others still work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workbench.errors import PluginError
from workbench.host import Host, PluginRecord

from .conftest import Distributions, write

GOOD = """
from workbench.api import PhonemizerSpec, Plugin
class Good(Plugin):
    summary = "speaks Klingon"
    def workbench_register_phonemizers(self):
        return [PhonemizerSpec(name="klingon", target="throwaway_good:make", languages=frozenset({"tlh"}))]
def make(settings):
    return ("made with", settings)
plugin = Good()
"""


def plugin_with(body: str, head: str = "") -> str:
    return f"""
from workbench.api import *
{head}
class Odd(Plugin):
{body}
plugin = Odd()
"""


def record(host: Host, name: str) -> PluginRecord:
    return next(item for item in host.plugins if item.name == name)


BROKEN = {
    "syntax error": ("def (", "SyntaxError"),
    "missing import": ("import no_such_module_at_all", "no_such_module_at_all"),
    "raises at import": ("raise RuntimeError('line one\\nline two')", "RuntimeError: line one line two"),
    "exits at import": ("import sys; sys.exit(3)", "sys.exit(3)"),
    "raises BaseException": ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
    "no such attribute": ("x = 1", "has no 'plugin'"),
    "wrong type": ("plugin = object()", "is a object; an instance of workbench.api.Plugin is wanted"),
    "class instead of instance": ("from workbench.api import Plugin\nclass plugin(Plugin): pass", "is a class"),
    "newer API": (plugin_with("    requires_api = (1, 99)"), "needs plugin API 1.99; this program has 1.0"),
    "other major API": (plugin_with("    requires_api = (2, 0)"), "needs plugin API 2.0"),
    "API that is no pair": (plugin_with("    requires_api = '1.0'"), "requires_api is '1.0'"),
    "misspelt hook": (
        plugin_with("    def workbench_register_phonemizer(self): return []"),
        "there is no hook 'workbench_register_phonemizer'; did you mean 'workbench_register_phonemizers'?",
    ),
    "misspelt prefix": (
        plugin_with("    def workbnch_register_players(self): return []"),
        "did you mean 'workbench_register_players'?",
    ),
    "wrong parameters": (plugin_with("    def workbench_run_created(self, rum): pass"), "rum"),
    "async hook": (plugin_with("    async def workbench_register_players(self): return []"), "must not be async"),
    "hook that is no method": (plugin_with("    workbench_register_players = ()"), "must be a plain method"),
    "hook wrapper": (
        plugin_with("    @hookimpl(wrapper=True)\n    def workbench_run_created(self, run): yield"),
        "no hook wrappers",
    ),
    "hook raises": (plugin_with("    def workbench_register_players(self): raise ValueError('no')"), "ValueError: no"),
    "hook exits": (
        plugin_with("    def workbench_register_players(self): exit()", "from sys import exit"),
        "SystemExit",
    ),
    "generator raises late": (
        plugin_with("    def workbench_register_players(self):\n        yield from ()\n        raise KeyError('late')"),
        "KeyError: 'late'",
    ),
    "returns a number": (plugin_with("    def workbench_register_players(self): return 3"), "returned a int"),
    "returns text": (plugin_with("    def workbench_register_players(self): return 'abc'"), "returned a str"),
    "returns the wrong record": (
        plugin_with("    def workbench_register_players(self): return [LauncherSpec(name='a', target='a:b')]"),
        "PlayerSpec is wanted",
    ),
    "target without module": (
        plugin_with("    def workbench_register_players(self): return [PlayerSpec(name='a', target='make')]"),
        "target is 'make'",
    ),
    "name with a space": (
        plugin_with("    def workbench_register_players(self): return [PlayerSpec(name='a b', target='a:b')]"),
        "must have a name",
    ),
    "two records of one name": (
        plugin_with("    def workbench_register_players(self): return [PlayerSpec(name='a', target='a:b')] * 2"),
        "two records with the name 'a'",
    ),
    "unknown worker pool": (
        plugin_with(
            "    def workbench_register_doctor_checks(self):\n"
            "        return [DoctorCheckSpec(name='a', target='a:b', pool='gpu')]"
        ),
        "pool is 'gpu'",
    ),
    "settings that are no dataclass": (
        plugin_with("    def workbench_register_settings(self): return dict"),
        "a dataclass (the class) is wanted",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_failed_with_one_line_and_a_good_one_still_works(
    fault: str, distributions: Distributions
) -> None:
    source, reason = BROKEN[fault]
    distributions.add("broken", source)
    distributions.add("good", GOOD)

    host = Host.load(None, environ={})

    broken = record(host, "broken")
    assert broken.state == "failed"
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert broken.registered == {}
    assert record(host, "good").state == "active"
    assert host.create(host.phonemizer_for("tlh")) == ("made with", None)


def test_a_plugin_that_raises_keeps_its_traceback_for_its_author(distributions: Distributions) -> None:
    distributions.add("broken", "raise RuntimeError('here')")
    assert "throwaway_broken.py" in record(Host.load(None, environ={}), "broken").traceback


@pytest.mark.parametrize("line", ["broken", "broken = ", "broken = no colon", "broken = a b:c"])
def test_an_entry_point_that_is_none_is_failed(line: str, distributions: Distributions) -> None:
    distributions.add("broken", "", entry=line)
    failed = record(Host.load(None, environ={}), "broken")
    assert failed.state == "failed"
    assert "is not 'name = package.module:plugin'" in failed.reason


def test_metadata_that_cannot_be_read_does_not_hide_the_other_plugins(distributions: Distributions) -> None:
    distributions.add("good", GOOD)
    distributions.add("odd", GOOD.replace("klingon", "odd"))
    (distributions.site / "throwaway_odd-1.2.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    (distributions.site / "throwaway_odd-1.2.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe\x00")
    assert record(Host.load(None, environ={}), "good").state == "active"


def test_the_record_says_where_a_plugin_comes_from(distributions: Distributions) -> None:
    distributions.add("good", GOOD)
    good = record(Host.load(None, environ={}), "good")
    assert (good.distribution, good.version, good.origin) == ("throwaway-good", "1.2", "throwaway_good:plugin")
    assert good.summary == "speaks Klingon"
    assert good.registered == {"phonemizers": ("klingon",)}
    assert good.load_ms > 0
    assert "workbench_register_phonemizers" in good.hooks_ms


def test_a_plugin_that_is_switched_off_is_never_imported(distributions: Distributions, tmp_path: Path) -> None:
    module = distributions.add("good", GOOD)
    host = Host.load(write(tmp_path, '[plugins]\ndisabled = ["good"]\n'), environ={})
    assert record(host, "good").state == "disabled"
    assert "workbench.toml" in record(host, "good").reason
    assert module not in sys.modules


def test_the_allow_list_leaves_all_others_unimported(distributions: Distributions) -> None:
    distributions.add("good", GOOD)
    other = distributions.add("other", GOOD)
    host = Host.load(None, environ={"WORKBENCH_PLUGINS": "good, ddp"})
    assert {item.name for item in host.plugins if item.state == "active"} == {"good", "ddp"}
    assert other not in sys.modules


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_safe_mode_loads_first_party_plugins_only(how: str, distributions: Distributions) -> None:
    module = distributions.add("good", GOOD)
    environ = {"WORKBENCH_SAFE": "1"} if how == "environment" else {}
    host = Host.load(None, safe=how == "argument", environ=environ)
    assert record(host, "good").state == "disabled"
    assert module not in sys.modules
    assert record(host, "ddp").state == "active"


def test_names_that_no_plugin_has_are_told_with_a_suggestion(distributions: Distributions, tmp_path: Path) -> None:
    distributions.add("good", GOOD)
    workspace = write(tmp_path, '[plugins]\ndisabled = ["goood"]\n[plugins.god]\na = 1\n')
    problems = Host.load(workspace, environ={"WORKBENCH_PLUGINS": "goood"}).problems
    assert len(problems) == 3
    assert all("did you mean 'good'?" in problem for problem in problems)


def test_the_second_plugin_of_the_same_name_is_failed(distributions: Distributions) -> None:
    distributions.add("good", GOOD)
    distributions.add("good", GOOD, distribution="throwaway-usurper")
    doubles = [item for item in Host.load(None, environ={}).plugins if item.name.startswith("good")]
    assert [item.state for item in doubles] == ["active", "failed"]
    assert "throwaway-good" in doubles[1].reason


def test_the_second_record_of_the_same_name_is_left_out_and_told(distributions: Distributions) -> None:
    distributions.add("good", GOOD)
    distributions.add("other", GOOD.replace("throwaway_good", "throwaway_other"))
    host = Host.load(None, environ={})
    assert [entry.plugin for entry in host.phonemizers() if entry.spec.name == "klingon"] == ["good"]
    assert "good has the same name" in record(host, "other").warnings[0]


def test_a_slow_hook_is_told(distributions: Distributions) -> None:
    body = "    def workbench_register_players(self):\n        time.sleep(0.06)\n        return []"
    distributions.add("slow", plugin_with(body, "import time"))
    slow = record(Host.load(None, environ={}), "slow")
    assert slow.state == "active"
    assert "50 ms is the most" in slow.warnings[0]


def test_what_a_plugin_prints_does_not_reach_stdout(
    distributions: Distributions, capsys: pytest.CaptureFixture[str]
) -> None:
    distributions.add("loud", GOOD.replace("klingon", "loud") + "\nprint('hello')")
    Host.load(None, environ={})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_a_target_that_is_not_there_is_one_line(distributions: Distributions) -> None:
    distributions.add("good", GOOD.replace("throwaway_good:make", "throwaway_good:missing"))
    host = Host.load(None, environ={})
    with pytest.raises(PluginError, match="throwaway_good:missing can't be imported: AttributeError") as caught:
        host.create(host.phonemizer_for("tlh"))
    assert "\n" not in str(caught.value)


def test_a_target_that_exits_is_one_line(distributions: Distributions) -> None:
    distributions.add("good", GOOD.replace("return (", "raise SystemExit("))
    host = Host.load(None, environ={})
    with pytest.raises(PluginError, match="plugin good failed: SystemExit"):
        host.create(host.phonemizer_for("tlh"))


def test_first_party_plugins_come_through_entry_points_and_all_work() -> None:
    records = Host.load(None, environ={}).plugins
    assert {item.name: item.state for item in records if item.distribution == "voice-workbench"} == dict.fromkeys(
        ("audio", "ddp", "espeak", "hama", "health", "onnx", "piper"), "active"
    ), [item.reason for item in records]
