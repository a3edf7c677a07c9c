"""Faults by flag: the file, OpenFeature's provider over it, the switches, the commands."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openfeature import api
from typer.testing import CliRunner

from jaegerlite.alerts.rules import load_rules
from jaegerlite.find.language import parse
from outcry.cli import app
from shared.fault_file import FaultFileError, Flag, change_flags, read_flags
from shared.fault_provider import DOMAIN, FaultFollower
from shared.faults import FAULTS, N_PLUS_ONE, SLOW_WALLET
from shared.settings import ServiceSettings, load
from tests.guides import DOCS, blocks

PROJECT = Path(__file__).parents[2]
LESSONS = DOCS / "lessons"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A file of flags; afterwards all faults are off again in this process."""
    yield tmp_path / "faults.json"
    for fault in FAULTS.values():
        fault.switch(False)


def test_what_is_switched_is_read_back(file: Path) -> None:
    """Named faults change, the others stay; without a file all are off."""
    assert set(read_flags(file).values()) == {Flag()}
    change_flags(file, {"slow_wallet": True, "n_plus_one": True})
    change_flags(file, {"n_plus_one": False})
    assert {name for name, flag in read_flags(file).items() if flag.on} == {"slow_wallet"}


def test_a_fault_for_a_while_ends_by_itself(file: Path) -> None:
    """It is on until its time, and its targeting rule says so to every reader of flagd's format."""
    before_s = round(time.time())
    flag = change_flags(file, {"slow_wallet": True}, for_s=60)["slow_wallet"]
    assert flag.until_s is not None
    assert before_s + 60 <= flag.until_s <= before_s + 62
    assert flag.is_on(flag.until_s - 1)
    assert not flag.is_on(flag.until_s)
    written = json.loads(file.read_text())["flags"]["slow_wallet"]
    assert written["defaultVariant"] == "off"
    assert written["targeting"] == {"if": [{"<": [{"var": "$flagd.timestamp"}, flag.until_s]}, "on", "off"]}
    assert read_flags(file)["slow_wallet"] == flag


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"flags": {"slow_walet": {"state": "ENABLED", "variants": {}, "defaultVariant": "on"}}}', "slow_walet"),
        ('{"flags": {"slow_wallet": {"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "on"}}}', "on"),
        (
            '{"flags": {"slow_wallet": {"state": "ENABLED", "variants": {"on": true, "off": false},'
            ' "defaultVariant": "on", "targeting": {"==": [1, 1]}}}}',
            "targeting",
        ),
        ("not json", "faults.json"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    file: Path, text: str, named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service does not start with an unknown fault or a rule it does not know, and says which."""
    file.write_text(text)
    with pytest.raises(FaultFileError, match=named):
        read_flags(file)
    monkeypatch.setenv("FAULTS_FILE", str(file))
    with pytest.raises(SystemExit) as ended:
        load(ServiceSettings)
    assert ended.value.code == 2
    assert re.search(f"FAULTS_FILE: .*{named}", capsys.readouterr().err)


def test_an_unknown_name_changes_nothing(file: Path) -> None:
    """Of several names one that is not known leaves all as they were, and the answer lists what there is."""
    with pytest.raises(FaultFileError, match=r"no fault 'fast_wallet'.*slow_wallet"):
        change_flags(file, {"slow_wallet": True, "fast_wallet": True})
    assert not file.exists()


async def test_a_process_follows_the_file(file: Path) -> None:
    """OpenFeature answers as the file says, the switches follow, and a time that is over needs no new file."""
    follower = FaultFollower(file)
    follower.look()
    assert not SLOW_WALLET.on
    change_flags(file, {"slow_wallet": True, "n_plus_one": True}, for_s=1)
    change_flags(file, {"n_plus_one": True})
    follower.look()
    assert SLOW_WALLET.on
    assert api.get_client(DOMAIN).get_boolean_value("slow_wallet", False)
    async with asyncio.timeout(20):
        while SLOW_WALLET.on:
            await asyncio.sleep(0.05)
            follower.look()
    assert N_PLUS_ONE.on


async def test_a_file_that_breaks_later_changes_nothing(file: Path) -> None:
    """What was on stays on until the file can be read again."""
    follower = FaultFollower(file)
    change_flags(file, {"slow_wallet": True})
    follower.look()
    file.write_text("{")
    follower.look()
    assert SLOW_WALLET.on
    file.unlink()
    follower.look()
    assert not SLOW_WALLET.on


async def test_work_runs_while_a_fault_is_on(file: Path) -> None:
    """It begins with the fault, and is cancelled when the fault goes off or the process ends."""
    fault = FAULTS["engine_pause"]
    told: asyncio.Queue[str] = asyncio.Queue()

    async def work() -> None:
        told.put_nowait("began")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            told.put_nowait("ended")

    fault.while_on(work)
    following = asyncio.create_task(FaultFollower(file).run())
    async with asyncio.timeout(20):
        change_flags(file, {fault.name: True})
        assert await told.get() == "began"
        change_flags(file, {fault.name: False})
        assert await told.get() == "ended"
        change_flags(file, {fault.name: True})
        assert await told.get() == "began"
        following.cancel()
        assert await told.get() == "ended"
    assert not fault.on


def test_each_fault_sits_in_its_service_alone() -> None:
    """A fault's name is used in one service's folder, the one that it says."""
    for name, fault in FAULTS.items():
        users = {
            path.relative_to(PROJECT / "services").parts[0]
            for path in (PROJECT / "services").rglob("*.py")
            if re.search(rf"\b{name.upper()}\.(on|while_on)\b", path.read_text())
        }
        assert users == {fault.service.replace("-", "_")}, name


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`outcry fault` lists, switches for a while, switches off, and refuses names that it does not know."""
    monkeypatch.setenv("OUTCRY_HOME", str(tmp_path))
    run = CliRunner().invoke
    switched = run(app, ["fault", "on", "slow_wallet", "engine_pause", "--for", "60"])
    assert switched.exit_code == 0, switched.output
    assert FAULTS["slow_wallet"].look in switched.output
    listed = run(app, ["fault", "list"]).output
    assert re.search(r"slow_wallet \(wallet-service\): on, \d+ s left", listed)
    assert "n_plus_one (reporting): off" in listed
    assert run(app, ["fault", "off", "slow_wallet"]).exit_code == 0
    assert {name for name, flag in read_flags(tmp_path / "faults.json").items() if flag.on} == {"engine_pause"}
    assert run(app, ["fault", "off"]).exit_code == 0
    assert not any(flag.on for flag in read_flags(tmp_path / "faults.json").values())
    refused = run(app, ["fault", "on", "no_such"])
    assert refused.exit_code == 1
    assert "there is no fault 'no_such'" in refused.output


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_lesson(name: str) -> None:
    """Its page says how to switch it on, and names only findings and alerts that there are; its search is one."""
    page = (LESSONS / f"{name}.md").read_text()
    assert f"outcry fault on {name} " in page
    assert f"It sits in {FAULTS[name].service}." in page
    assert f"({name}.md)" in (LESSONS / "README.md").read_text()
    (search,) = blocks(f"lessons/{name}.md", "q")
    parse(search.text)
    rules = {rule.name for rule in load_rules(LESSONS / "alerts.yaml").rules}
    said = {heading: set(re.findall(r"`(\w+)`", text)) for heading, text in re.findall(r"\*\*(.+?)\.\*\* (.+)", page)}
    named = {word for word in said["Alert"] if word[0].isupper()}
    assert named <= rules, named - rules
    assert said["Finding"] & KINDS


KINDS = {
    *("error", "retry", "repeated_query", "slow_query", "call_wait", "queue_wait", "unrecorded_time", "clock_skew"),
    *("broken_handover", "noisy_caller"),
}
