"""`deploy/prometheus`: what is scraped is what runs, each alert fires when it must and only then, and has its page."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.operations import AUDITOR
from shared.settings import DEFAULT_PORTS
from tests.deployed import DEPLOY, PROJECT, SERVICES, port_of

FOLDER = DEPLOY / "prometheus"
RUNBOOKS = PROJECT / "docs" / "runbooks"


def loaded(name: str) -> dict[str, Any]:
    """One of the files."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


ALERTS = {rule["alert"]: rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]}
TESTED = [test for run in loaded("alerts_test.yml")["tests"] for test in run["alert_rule_test"]]


def promtool(*arguments: str) -> str:
    """What promtool says, which must be content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here (Debian's package: prometheus)")
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_settings_and_rules() -> None:
    """promtool finds no fault with settings, recording rules and alerts."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "recording.yml", "alerts.yml")


def test_alerts_fire_when_they_must_and_only_then() -> None:
    """promtool plays series of figures and finds each alert, with its words, where it is expected."""
    promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tried_both_ways(alert: str) -> None:
    """For each alert there is a moment in which it must fire, and one in which it must not."""
    tried = [bool(test["exp_alerts"]) for test in TESTED if test["alertname"] == alert]
    names = [rule for rule in ALERTS if rule == alert]
    assert names
    assert True in tried
    # Of two series in one moment only one may fire: then the expected list itself says where the alert must not.
    series = sum(len(run["input_series"]) for run in loaded("alerts_test.yml")["tests"] if _tries(run, alert))
    assert False in tried or series > 1


def _tries(run: dict[str, Any], alert: str) -> bool:
    return any(test["alertname"] == alert for test in run["alert_rule_test"])


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    """A person who is paged finds what to do: what the annotation names is there, and no page is of an alert gone."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        text = (RUNBOOKS / f"{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        for heading in ("Look first", "What it may be", "What to do", "It is over when"):
            assert f"\n## {heading}\n" in text, f"{name}: {heading}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_pages_lead_to_pages_that_are_there() -> None:
    """Every link of a runbook leads to a file and a heading that exist."""
    for page in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", page.read_text()):
            text = (page.parent / target[0]).resolve().read_text()
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not target[1] or target[1] in anchors, f"{page.name}: {target}"


def test_all_that_runs_is_scraped() -> None:
    """Every process of compose that has figures is asked for them, on its own port and by the name of its service."""
    jobs = {job["job_name"]: job for job in loaded("prometheus.yml")["scrape_configs"]}
    asked = {
        target: scraped["labels"]["service"]
        for scraped in jobs["outcry"]["static_configs"]
        for target in scraped["targets"]
    }
    processes = [name for name in SERVICES if name.removesuffix("-standby") in (*DEFAULT_PORTS, AUDITOR)]
    assert asked == {f"{name}:{port_of(name)}": name.removesuffix("-standby") for name in processes}
    for name, path in (("jaegerlite", None), ("jaegerlite-spans", "/metrics/spans")):
        lite = jobs[name]["dns_sd_configs"][0]
        assert (lite["names"], lite["port"], jobs[name].get("metrics_path")) == (
            *(["jaegerlite"], port_of("jaegerlite")),
            path,
        )


def test_prometheus_keeps_exemplars_and_reads_these_files() -> None:
    """Compose gives Prometheus this folder, and has it keep the traces that histograms name."""
    service = SERVICES["prometheus"]
    assert "--enable-feature=exemplar-storage" in service["command"]
    assert "./prometheus:/etc/prometheus:ro" in service["volumes"]
    assert all((FOLDER / Path(name).name).exists() for name in loaded("prometheus.yml")["rule_files"])
