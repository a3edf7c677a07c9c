"""Alerts: what the rules say, how alerts live, who is told, what survives a restart."""

import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from jaegerlite.alerts import memory
from jaegerlite.alerts.measure import KnownCalls, measure
from jaegerlite.alerts.notify import tell
from jaegerlite.alerts.prometheus import rule_file
from jaegerlite.alerts.rules import DEFAULT_RULES, Email, Notify, Rule, RulesError, RulesFile, Webhook, load_rules
from jaegerlite.alerts.state import Alert, Silence, State
from tests.unit.jaegerlite_kit import Kit

MINUTE_MS = 60_000
NOW_MS = 1_800_000_000_000
SLOW: dict[str, Any] = {"name": "Slow", "measure": "p95_ms", "above": 500, "clear": 400, "for": "2m", "keep": "1m"}
PLACE = ("shop", "GET")


def _rule(**fields: Any) -> Rule:
    return Rule.model_validate(SLOW | fields)


def _states(rule: Rule, values: list[float | None]) -> list[str]:
    """The alert's state after each of these values, a minute apart; empty for no alert."""
    state = State()
    found: list[str] = []
    for minute, value in enumerate(values):
        readings = {} if value is None else {PLACE: value}
        state.judge([rule], {rule.name: readings}, NOW_MS + minute * MINUTE_MS)
        found.append(state.current[0].state if state.current else "")
    return found


# Rules


def test_the_default_rules() -> None:
    """Without a file: slow, failing and silent services, lost spans, wrong clocks and broken traces."""
    rules = {rule.name: rule for rule in load_rules(None).rules}
    assert {name: (rule.measure, rule.above) for name, rule in rules.items()} == {
        "SlowOperation": ("p95_ms", 500),
        "FailingOperation": ("error_rate", 0.01),
        "SilentService": ("silent_s", 300),
        "LostSpans": ("lost_share", 0.01),
        "ClockSkew": ("skew_ms", 50),
        "BrokenTraces": ("broken_share", 0.05),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rules: [", "while parsing"),
        ("rules: 5", "rules: Input should be a valid list"),
        ("rules: [{name: a, measure: p95_ms}]", "either 'above' or 'below'"),
        ("rules: [{name: a, measure: p95_ms, above: 1, below: 1}]", "either 'above' or 'below'"),
        ("rules: [{name: a, measure: p95_ms, above: 5, clear: 9}]", "'clear' (9) lies beyond the threshold (5)"),
        ("rules: [{name: a, measure: p95_ms, above: 5, for: soon}]", "'soon' is no duration"),
        ("rules: [{name: a b, measure: p95_ms, above: 5}]", "rules.0.name"),
        ("rules: [{name: a, measure: age, above: 5}]", "rules.0.measure"),
        ("rules: [{name: a, measure: p95_ms, above: 5, colour: red}]", "rules.0.colour"),
        ("rules: [&r {name: a, measure: p95_ms, above: 5}, *r]", "two rules are called a"),
        ("{rules: [], notify: {webhooks: [{url: 'file:///etc/passwd'}]}}", "notify.webhooks.0.url"),
    ],
)
def test_a_wrong_rules_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """What is wrong in a rules file is named with its place."""
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(RulesError) as refused:
        load_rules(path)
    assert reason in str(refused.value)


# The life of an alert


def test_an_alert_fires_once_its_rule_was_broken_for_long_enough() -> None:
    """Two minutes beyond the threshold make it fire; a good value in between begins anew."""
    assert _states(_rule(), [600, 600, 600]) == ["pending", "pending", "firing"]
    assert _states(_rule(), [600, 300, 600, 600, 600]) == ["pending", "", "pending", "pending", "firing"]
    assert _states(_rule(**{"for": 0}), [600]) == ["firing"]


def test_an_alert_does_not_flap() -> None:
    """It goes on until the value is below the clear threshold, and stays there for a minute."""
    started: list[float | None] = [600, 600, 600]
    assert _states(_rule(), [*started, 450, 350, 450, 350, 350])[3:] == ["firing"] * 4 + [""]
    assert _states(_rule(), [*started, None, None])[3:] == ["firing", ""], "without calls nothing is wrong"


def test_below_is_the_other_way_round() -> None:
    """A rule with `below` fires under its threshold and is over a tenth above it."""
    rule = _rule(measure="rate_per_s", above=None, clear=None, below=10, **{"for": 0, "keep": 0})
    assert _states(rule, [10, 9, 10.5, 11.5]) == ["", "firing", "firing", ""]


def test_what_is_over_becomes_history_and_a_rule_that_is_gone_ends_its_alerts() -> None:
    """History tells when it fired and ended; what was only pending leaves no trace."""
    state = State()
    for minute, value in enumerate((600, 600, 600, 100, 100)):
        state.judge(
            [_rule()], {"Slow": {PLACE: value, ("other", ""): 600 if minute < 2 else 1}}, NOW_MS + minute * MINUTE_MS
        )
    (over,) = state.history
    assert (over.service, over.state) == ("shop", "resolved")
    assert (over.since_ms, over.fired_ms, over.resolved_ms) == tuple(NOW_MS + m * MINUTE_MS for m in (0, 2, 4))
    state.judge([_rule(**{"for": 0})], {"Slow": {PLACE: 600}}, NOW_MS)
    state.judge([], {}, NOW_MS + 1)
    assert (state.current, state.history[-1].state) == ([], "resolved")


def test_state_survives(tmp_path: Path) -> None:
    """What was saved is loaded again, and a damaged file is set aside rather than in the way."""
    state = State(silences=[Silence("a", "Slow", "", "", NOW_MS, "why")])
    state.judge([_rule()], {"Slow": {PLACE: 600}}, NOW_MS)
    state.current[0].told["log"] = ("firing", NOW_MS)
    memory.save(tmp_path, state)
    assert memory.load(tmp_path) == state
    (tmp_path / memory.FILE_NAME).write_text("{")
    assert memory.load(tmp_path) == State()
    assert (tmp_path / f"{memory.FILE_NAME}.damaged").exists()


# Who is told


def _firing(operation: str = "GET") -> Alert:
    return Alert("Slow", "shop", operation, "warning", "firing", 612.4, 500, "p95_ms", NOW_MS, NOW_MS, trace_ids=["ab"])


class Receiver:
    """A web server that keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((dict(self.headers), json.loads(body)))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_webhook_gets_alertmanagers_json(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request per rule with all its alerts: labels, times, a link to the traces; a resolved notice follows."""
    monkeypatch.setenv("HOOK_TOKEN", "secret")
    notify = Notify(webhooks=[Webhook(url=receiver.url, bearer_env="HOOK_TOKEN")])
    state = State(current=[_firing(), _firing("POST")])
    assert tell(state, notify, "http://explorer", NOW_MS)
    ((headers, body),) = receiver.received
    assert headers["Authorization"] == "Bearer secret"
    assert (body["version"], body["status"], body["groupLabels"]) == ("4", "firing", {"alertname": "Slow"})
    assert body["commonLabels"] == {"alertname": "Slow", "severity": "warning", "service_name": "shop"}
    alert = body["alerts"][0]
    assert alert["labels"] | body["commonLabels"] == alert["labels"]
    assert alert["labels"]["span_name"] == "GET"
    assert (alert["startsAt"], alert["endsAt"]) == ("2027-01-15T08:00:00.000Z", "0001-01-01T00:00:00Z")
    assert alert["annotations"]["summary"] == "Slow: shop GET, p95 612.4 ms against 500 ms"
    assert alert["generatorURL"] == alert["annotations"]["traces"] == "http://explorer/trace/ab"
    assert len({told["fingerprint"] for told in body["alerts"]}) == 2
    assert not tell(state, notify, "http://explorer", NOW_MS + 1), "nobody is told twice"
    over = state.current.pop()
    over.state, over.resolved_ms = "resolved", NOW_MS + 5000
    state.history.append(over)
    tell(state, notify, "http://explorer", NOW_MS + 5000)
    resolved = receiver.received[-1][1]
    assert (resolved["status"], resolved["alerts"][0]["endsAt"]) == ("resolved", "2027-01-15T08:00:05.000Z")


def test_what_could_not_be_told_is_told_later(receiver: Receiver) -> None:
    """A receiver that fails is tried again, and does not keep others from being told; a long alert is repeated."""
    receiver.status = 500
    notify = Notify(webhooks=[Webhook(url="http://127.0.0.1:9/closed"), Webhook(url=receiver.url)], repeat=3600)
    state = State(current=[_firing()])
    tell(state, notify, "", NOW_MS)
    assert set(state.current[0].told) == {"log"}
    receiver.status = 200
    tell(state, notify, "", NOW_MS + 1000)
    assert len(receiver.received) == 2
    tell(state, notify, "", NOW_MS + 3_500_000)
    assert len(receiver.received) == 2
    tell(state, notify, "", NOW_MS + 3_700_000)
    assert len(receiver.received) == 3


def test_a_silence_keeps_quiet_from_beginning_to_end(receiver: Receiver) -> None:
    """While silenced nobody is told, nor of an end whose beginning nobody knew; another service is not affected."""
    notify = Notify(webhooks=[Webhook(url=receiver.url)])
    state = State(current=[_firing()], silences=[Silence("a", "", "shop", "", NOW_MS + 1000, "")])
    tell(state, notify, "", NOW_MS)
    assert receiver.received == []
    state.current[0].state = "resolved"
    state.history, state.current = state.current, []
    tell(state, notify, "", NOW_MS)
    assert receiver.received == []
    state.current = [Alert("Slow", "bank", "", "warning", "firing", 600, 500, "p95_ms", NOW_MS, NOW_MS)]
    tell(state, notify, "", NOW_MS)
    assert len(receiver.received) == 1
    assert state.expire(NOW_MS + 2000)
    assert state.silences == []


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.mails: list[str] = []


class MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to receive a mail."""

    def handle(self) -> None:
        assert isinstance(self.server, Mailbox)
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    body += line
                self.server.mails.append(body.decode())
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")


def test_a_mail_tells_in_words() -> None:
    """A mail has the sentence of each alert, since when, and where its traces are."""
    with Mailbox() as mailbox:
        threading.Thread(target=mailbox.serve_forever, daemon=True).start()
        mail = Email(host="127.0.0.1", port=mailbox.server_address[1], sender="a@b.c", to=["d@e.f", "g@h.i"])
        assert tell(State(current=[_firing()]), Notify(email=mail), "http://explorer", NOW_MS)
        mailbox.shutdown()
    (text,) = mailbox.mails
    assert "To: d@e.f, g@h.i" in text
    assert "Subject: [jaegerlite] 1 firing, 0 resolved: Slow: shop GET, p95 612.4 ms" in text
    assert "http://explorer/trace/ab" in text


# All together


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    """A backend with a rule that fires at once."""
    rules = {"rules": [SLOW | {"for": 0, "calls_min": 5}, {"name": "Lost", "measure": "lost_share", "above": 0.1}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    monkeypatch.setenv("JAEGERLITE_ALERT_RULES", str(tmp_path / "rules.yaml"))
    made = Kit(tmp_path / "data")
    yield made
    made.backend.close()


async def test_spans_make_an_alert_that_survives_a_restart(kit: Kit, tmp_path: Path) -> None:
    """Slow spans make an alert with traces that show it; it is there after a restart, and over once they are fast."""
    kit.send("shop", *(kit.span("GET", NOW_MS - 1000 * n, 900) for n in range(10)))
    tenant = kit.backend.tenant()
    await tenant.alerts.judge(tenant.read, NOW_MS)
    (alert,) = (await kit.get("/api/alerts"))["alerts"]
    assert (alert["rule"], alert["service"], alert["operation"], alert["state"]) == ("Slow", "shop", "GET", "firing")
    assert alert["value"] == pytest.approx(900, rel=0.13)
    assert len(alert["trace_ids"]) == 3
    assert alert["trace_urls"][0] == f"http://127.0.0.1:16686/trace/{alert['trace_ids'][0]}"
    kit.backend.close()
    again = Kit(tmp_path / "data")
    kit.backend = again.backend
    assert (await again.get("/api/alerts"))["alerts"] == [alert]
    tenant = again.backend.tenant()
    later_ms = NOW_MS + 10 * MINUTE_MS
    for after_ms in (0, 2 * MINUTE_MS):
        again.send("shop", *(again.span("GET", later_ms + after_ms - 1000 * n, 5) for n in range(10)))
        await tenant.alerts.judge(tenant.read, later_ms + after_ms)
    assert (await again.get("/api/alerts"))["alerts"] == []
    (over,) = (await again.get("/api/alerts/history"))["alerts"]
    assert (over["id"], over["state"], over["fired_ms"]) == (alert["id"], "resolved", NOW_MS)


async def test_silences_over_the_api(kit: Kit) -> None:
    """A silence is made, shown on the alerts that it covers, and ended; what is no silence is refused."""
    kit.send("shop", *(kit.span("GET", NOW_MS - 1000 * n, 900) for n in range(10)))
    tenant = kit.backend.tenant()
    await tenant.alerts.judge(tenant.read, NOW_MS)
    made = await kit.http.post("/api/alerts/silences", json={"minutes": 5, "service": "shop", "comment": "deploy"})
    assert made.status_code == 201, made.text
    assert (await kit.get("/api/alerts"))["alerts"][0]["silenced"]
    assert (await kit.get("/api/alerts/silences"))["silences"] == [made.json()]
    wrong: list[Any] = [{}, {"minutes": 0}, {"minutes": 5, "colour": "red"}, [], {"minutes": "x"}]
    for body in wrong:
        assert (await kit.http.post("/api/alerts/silences", json=body)).status_code == 400
    plain = {"Content-Type": "text/plain"}
    assert (await kit.http.post("/api/alerts/silences", content="{}", headers=plain)).status_code == 415
    assert (await kit.http.delete(f"/api/alerts/silences/{made.json()['id']}")).status_code == 204
    assert (await kit.http.delete("/api/alerts/silences/none")).status_code == 404
    assert not (await kit.get("/api/alerts"))["alerts"][0]["silenced"]
    rules = (await kit.get("/api/alerts/rules"))["rules"]
    assert [(rule["name"], rule["clear"]) for rule in rules] == [("Slow", 400), ("Lost", pytest.approx(0.09))]


async def test_a_changed_rules_file_holds_and_a_wrong_one_does_not(kit: Kit, tmp_path: Path) -> None:
    """A new file takes effect at the next judgement; a mistake in it leaves the old rules in force."""
    tenant, path = kit.backend.tenant(), tmp_path / "rules.yaml"
    for text, names in (("rules: []", []), ("rules: [", []), (DEFAULT_RULES.read_text(), ["SlowOperation"])):
        path.write_text(text)
        os.utime(path, ns=(path.stat().st_mtime_ns + 1, path.stat().st_mtime_ns + 10**6 * len(text)))
        await tenant.alerts.judge(tenant.read, NOW_MS)
        assert [rule.name for rule in tenant.alerts.file.rules][:1] == names


async def _measured(kit: Kit, at_ms: int, **fields: Any) -> dict[str, float]:
    """What one rule reads, by service."""
    rule = Rule.model_validate({"name": "it", "above": 1, **fields})
    readings: dict[str, Any] = await kit.backend.tenant().read(measure, [rule], KnownCalls(), at_ms)
    return {service: value for (service, _), value in readings["it"].items()}


async def test_silence_is_measured_against_who_speaks_and_what_is_usual(kit: Kit) -> None:
    """Who does not answer its callers is silent; one with pauses of its own is not, nor is anybody when all are."""
    calls = [kit.span("GET", NOW_MS - n * MINUTE_MS, 5) for n in range(120)]
    kit.send("gateway", *calls)
    kit.send("wallet", *(kit.span("hold", NOW_MS - n * MINUTE_MS, 3, parent=calls[n].span_id) for n in range(20, 120)))
    kit.send("mail", *(kit.span("send", NOW_MS - n * MINUTE_MS, 3, parent=calls[n].span_id) for n in (20, 60, 100)))
    asked: dict[str, Any] = {"measure": "silent_s", "above": 300, "window": "6h"}
    silent = await _measured(kit, NOW_MS, **asked)
    assert {service for service, value in silent.items() if value > 300} == {"wallet"}
    assert silent["wallet"] == pytest.approx(1200, abs=70)
    assert await _measured(kit, NOW_MS + 30 * MINUTE_MS, **asked) == {}


async def test_lost_spans_are_those_whose_parent_must_have_been_sent(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inner span without its parent counts, an entry does not; a parent that comes late takes the count back."""
    monkeypatch.setattr("jaegerlite.dependencies.OVERDUE_S", -1.0)
    inner, late = Span.SPAN_KIND_INTERNAL, kit.span("long", NOW_MS, 60_000)
    kit.send("shop", *(kit.span("GET", NOW_MS, 5, parent=b"external") for _ in range(16)))
    kit.send("shop", *(kit.span("work", NOW_MS, 5, parent=b"lost.one", kind=inner) for _ in range(3)))
    kit.send("shop", kit.span("step", NOW_MS, 5, parent=late.span_id, kind=inner))
    asked = {"measure": "lost_share", "above": 0.1}
    assert await _measured(kit, NOW_MS + 1000, **asked) == {"shop": 4 / 20}
    kit.send("shop", late)
    assert await _measured(kit, NOW_MS + 1000, **asked) == {"shop": 3 / 21}
    graph = await kit.get("/api/service-graph", endTs=NOW_MS + 1000)
    assert graph["edges"] == []


def _ordered(kit: Kit, number: int, *, clock_ms: float = 0, is_whole: bool = True) -> tuple[Span, Span]:
    """An order that the gateway hands over to risk, whose clock may be wrong, or which hears nothing of the trace."""
    at_ms = NOW_MS - 100_000 + 1000 * number
    root = kit.span("POST /order", at_ms, 40)
    check = kit.span("check", at_ms + 10 + clock_ms, 20, parent=root.span_id if is_whole else b"")
    if is_whole:
        check.trace_id = root.trace_id
    return root, check


@pytest.mark.parametrize("clock_ms", [0, -8, -300])
async def test_skew_is_measured_by_what_begins_before_its_cause(kit: Kit, clock_ms: float) -> None:
    """A clock that is behind is told of the service that has it, by how much; one that is nearly right, as right."""
    roots, checks = zip(*(_ordered(kit, number, clock_ms=clock_ms) for number in range(30)), strict=True)
    kit.send("gateway", *roots)
    kit.send("risk", *checks)
    found = await _measured(kit, NOW_MS, measure="skew_ms", above=50)
    assert found == {"gateway": 0, "risk": pytest.approx(300, abs=1) if clock_ms == -300 else 0}


@pytest.mark.parametrize("broken", [0, 10, 30])
async def test_broken_traces_are_measured_by_their_share(kit: Kit, broken: int) -> None:
    """Of a service's calls to an operation those count that began a trace of their own within the caller's."""
    orders = [_ordered(kit, number, is_whole=number >= broken) for number in range(30)]
    before = [kit.span("POST /order", NOW_MS - 20 * MINUTE_MS, 40) for _ in range(5)]
    known = [kit.span("check", NOW_MS - 20 * MINUTE_MS + 5, 20, parent=root.span_id) for root in before]
    for root, check in zip(before, known, strict=True):
        check.trace_id = root.trace_id
    kit.send("gateway", *before, *(root for root, _ in orders))
    kit.send("risk", *known, *(check for _, check in orders))
    found = await _measured(kit, NOW_MS, measure="broken_share", above=0.1)
    assert found == {"gateway": broken / 30, "risk": 0}


async def test_what_only_a_look_at_traces_tells_is_a_gauge(kit: Kit, tmp_path: Path) -> None:
    """Skew and broken hand-overs are told to Prometheus as the rules read them last."""
    both = "rules: [{name: Skew, measure: skew_ms, above: 50}, {name: Broken, measure: broken_share, above: 0.1}]"
    (tmp_path / "rules.yaml").write_text(both)
    os.utime(tmp_path / "rules.yaml", ns=(1, 1))
    roots, checks = zip(*(_ordered(kit, number, clock_ms=-300) for number in range(30)), strict=True)
    fine = [kit.span("GET /health", NOW_MS - 10 - n, 1) for n in range(10)]
    lost = [_ordered(kit, number, is_whole=False) for number in range(31, 41)]
    kit.send("gateway", *roots, *fine, *(root for root, _ in lost))
    kit.send("risk", *checks, *(check for _, check in lost))
    tenant = kit.backend.tenant()
    await tenant.alerts.judge(tenant.read, NOW_MS)
    text = (await kit.http.get("/metrics/spans")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    skew = {s.labels["service_name"]: s.value for s in families["jaegerlite_clock_skew_milliseconds"].samples}
    assert skew == {"gateway": 0, "risk": pytest.approx(300, abs=1)}
    broken = {s.labels["service_name"]: s.value for s in families["jaegerlite_broken_handover_ratio"].samples}
    assert broken == {"gateway": 10 / 40, "risk": 0}
    alerts = {alert["rule"]: alert for alert in (await kit.get("/api/alerts"))["alerts"]}
    shown = {"Skew": {check.trace_id for check in checks}, "Broken": {span.trace_id for pair in lost for span in pair}}
    assert {rule: alert["service"] for rule, alert in alerts.items()} == {"Skew": "risk", "Broken": "gateway"}
    for rule, traces in shown.items():
        assert len(alerts[rule]["trace_ids"]) == 3
        assert {bytes.fromhex(trace_id) for trace_id in alerts[rule]["trace_ids"]} <= traces


# Prometheus


async def test_prometheus_reads_the_spans_as_counters(kit: Kit) -> None:
    """Calls by status and a histogram of durations, under the names of the collector's spanmetrics."""
    kit.send("shop", *(kit.span('GET "all"', NOW_MS + n, 10 * (n + 1), failed=n == 0) for n in range(10)))
    answer = await kit.http.get("/metrics/spans")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    calls = {s.labels["status_code"]: s.value for s in families["traces_span_metrics_calls"].samples}
    assert calls == {"STATUS_CODE_UNSET": 9, "STATUS_CODE_ERROR": 1}
    samples = families["traces_span_metrics_duration_milliseconds"].samples
    assert samples[0].labels | {"le": ""} == {
        **{"service_name": "shop", "span_name": 'GET "all"', "span_kind": "SPAN_KIND_SERVER"},
        "le": "",
    }
    below = {float(s.labels["le"]): s.value for s in samples if s.name.endswith("_bucket")}
    assert all(count == sum(10 * (n + 1) < bound for n in range(10)) for bound, count in below.items())
    (total,) = (s.value for s in samples if s.name.endswith("_sum"))
    assert total == pytest.approx(550, rel=0.07)


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    return subprocess.run([promtool, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_promtool_accepts_every_kind_of_rule(tmp_path: Path) -> None:
    """Rules of all measures, with patterns and without, are a valid Prometheus rule file."""
    measures = (
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "error_rate",
        "rate_per_s",
        "silent_s",
        "lost_share",
        "skew_ms",
        "broken_share",
    )
    rules = [
        _rule(name=f"{measure}_{each}", measure=measure, each=each, service='shop.*"', operation="GET /{id}?*")
        for measure in measures
        for each in ("operation", "service")
    ]
    path = tmp_path / "rules.yml"
    path.write_text(rule_file(RulesFile(rules=[*rules, *load_rules(None).rules])))
    checked = _promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stderr + checked.stdout


def test_prometheus_fires_the_default_rules(tmp_path: Path) -> None:
    """Series of a slow, a failing, a silent and a losing service make Prometheus fire one alert each."""
    (tmp_path / "rules.yml").write_text(rule_file(load_rules(None)))
    calls, bucket = "traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket"

    def of(service: str, more: str = "") -> str:
        return f'{{service_name="{service}",span_name="GET",span_kind="SPAN_KIND_SERVER"{more}}}'

    ok, failed = ',status_code="STATUS_CODE_UNSET"', ',status_code="STATUS_CODE_ERROR"'
    series = {
        **{calls + of(name, ok): "0+60x40" for name in ("slow", "failing", "losing", "fine")},
        calls + of("silent", ok): "0+60x10 600x30",
        **{calls + of(name, failed): values for name, values in (("failing", "0+2x40"), ("fine", "0x40"))},
        **{bucket + of("slow", f',le="{le}"'): values for le, values in (("512", "0x40"), ("1024", "0+60x40"))},
        **{bucket + of("fine", f',le="{le}"'): "0+60x40" for le in ("512", "1024")},
        **{bucket + of(name, ',le="+Inf"'): "0+60x40" for name in ("slow", "fine")},
        'jaegerlite_orphan_spans_total{service_name="losing"}': "0+3x40",
        'jaegerlite_orphan_spans_total{service_name="fine"}': "0x40",
        'jaegerlite_clock_skew_milliseconds{service_name="skewed"}': "400x40",
        'jaegerlite_clock_skew_milliseconds{service_name="fine"}': "0x40",
        'jaegerlite_broken_handover_ratio{service_name="breaking"}': "1x40",
        'jaegerlite_broken_handover_ratio{service_name="fine"}': "0.01x40",
    }
    expected = {
        "SlowOperation": "slow",
        "FailingOperation": "failing",
        "ClockSkew": "skewed",
        "BrokenTraces": "breaking",
        "SilentService": "silent",
        "LostSpans": "losing",
    }
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count by (service_name) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                        "eval_time": "30m",
                        "exp_samples": [{"labels": f'{{service_name="{service}"}}', "value": 1}],
                    }
                    for alert, service in expected.items()
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    checked = _promtool("test", "rules", tmp_path / "test.yml")
    assert checked.returncode == 0, checked.stderr + checked.stdout
