"""What docs/tracing.md and docs/tracing-reference.md tell to write is what works: each block is taken from the page."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from jaegerlite.settings import Settings as JaegerliteSettings
from shared.tracing.destinations import THRIFT_UDP
from shared.tracing.samplers import read_rules
from shared.tracing.settings import read_settings
from tests.asking import ASK
from tests.guides import Block, blocks, variables
from tests.tracing_kit import OtlpReceiver, attributes_of

ROOT = Path(__file__).parents[2]
PAGES = ("tracing.md", "tracing-reference.md")
LANGUAGES = {
    "tracing.md": {"", "bash", "python", "yaml", "env"},
    "tracing-reference.md": {"env", "json", "promql", "python"},
}
"""The languages of a page's blocks; `bash` and trees are for tests/e2e/test_tracing_guide.py, the others run here."""

DRIVERS = {
    "quotes": 'import quotes; assert ask(quotes.app, \'/quotes/AAPL\') == \'{"symbol":"AAPL","price":"150.00"}\'',
    "wrapped": "import wrapped; assert ask(wrapped.app, '/') == 'hello'",
    "pricing": "from shared.tracing import setup_tracing; setup_tracing('main'); import asyncio, pricing;"
    "assert pricing.fair_price('AAPL', [1.0], [2.0]) == 1.5;"
    "pricing.fair_price('AAPL', [], []); asyncio.run(pricing.reprice())",
    "mailbox": "import mailbox",
    "sampled": "import sampled; [sampled.tracer.start_span('one').end() for _ in range(2000)]",
    "own_sampler": "import own_sampler;[own_sampler.tracer.start_span(n).end() for n in ['search', 'order'] * 1000]",
}
"""What calls each module of the guide, as the guide says that it would be."""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A running OTLP receiver."""
    running = OtlpReceiver()
    yield running
    running.stop()


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of both pages."""
    return [block for page in PAGES for block in blocks(page, *languages)]


def module_of(block: Block) -> str:
    """The name that a snippet gives to its file."""
    return block.text.splitlines()[0].removeprefix("# ").removesuffix(".py")


def test_no_block_goes_untested() -> None:
    """A page has no block in a language that nothing runs, and no snippet that nothing calls."""
    for page, known in LANGUAGES.items():
        assert {block.language for block in blocks(page)} == known
    assert [module_of(block) for block in all_blocks("python")] == list(DRIVERS)


def run(block: Block, receiver: OtlpReceiver, folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Runs a snippet in a process of its own: (service, name, attributes) of each span, in the order of their ends."""
    module = module_of(block)
    (folder / f"{module}.py").write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-c", ASK + DRIVERS[module]],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "PYTHONPATH": f"{ROOT}:{folder}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), block
    found = []
    for request in receiver.requests:
        for part in request.resource_spans:
            service = attributes_of(part.resource)["service.name"]
            spans = [span for scope in part.scope_spans for span in scope.spans]
            found += [(span.end_time_unix_nano, service, span.name, attributes_of(span)) for span in spans]
    return [(service, name, attributes) for _, service, name, attributes in sorted(found, key=itemgetter(0))]


def snippet(module: str) -> Block:
    """The snippet that calls its file so."""
    return next(block for block in all_blocks("python") if module_of(block) == module)


def test_a_service_is_traced_as_the_guide_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """The two lines make a server span, and the span by hand is its child with its attribute."""
    spans = {name: attributes for _, name, attributes in run(snippet("quotes"), receiver, tmp_path)}
    assert spans.keys() == {"GET /quotes/{symbol}", "look_up"}
    assert spans["look_up"] == {"quote.symbol": "AAPL"}
    made = {span.name: span for span in receiver.spans()}
    assert made["look_up"].parent_span_id == made["GET /quotes/{symbol}"].span_id


def test_any_asgi_application_is_wrapped_as_the_guide_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """A request of an application that nothing is known of is a span by its method."""
    (found,) = run(snippet("wrapped"), receiver, tmp_path)
    assert found[:2] == ("wrapped", "GET")


def test_spans_by_hand_are_made_as_the_guide_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """Blocks and decorators make spans, with events and status."""
    names = [name for _, name, _ in run(snippet("pricing"), receiver, tmp_path)]
    assert names == ["fair_price", "fair_price", "reprice"]
    good, bad, _ = receiver.spans()
    assert [event.name for event in good.events] == ["book read"]
    assert (good.status.code, bad.status.code, bad.status.message) == (0, 2, "one side of the book is empty")


def test_a_trace_is_carried_as_the_guide_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """What was sent by hand is read in the same trace, below the span that sent it."""
    run(snippet("mailbox"), receiver, tmp_path)
    send, read = receiver.spans()
    assert (read.trace_id, read.parent_span_id) == (send.trace_id, send.span_id)


def test_a_hundredth_is_kept_as_the_guide_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """The guide's sampler of the reference SDK keeps about 1 % of 2,000 traces."""
    assert 2 <= len(run(snippet("sampled"), receiver, tmp_path)) <= 80


def test_an_own_sampler_decides_as_the_reference_does_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """What it names is kept seldom, all else always."""
    names = [name for _, name, _ in run(snippet("own_sampler"), receiver, tmp_path)]
    assert names.count("order") == 1000
    assert names.count("search") <= 60


@pytest.mark.parametrize("block", all_blocks("env"), ids=str)
def test_variables_mean_something(block: Block, caplog: pytest.LogCaptureFixture) -> None:
    """All variables of a block are known, and none of their values is reported as unusable."""
    told = variables(block)
    backends = {name.removeprefix("JAEGERLITE_").lower(): value for name, value in told.items()}
    if all(name.startswith("JAEGERLITE_") for name in told):
        settings = JaegerliteSettings(**backends)  # type: ignore[arg-type]
        assert {name: str(getattr(settings, name)) for name in backends} == {
            name: str(type(getattr(settings, name))(float(value))) for name, value in backends.items()
        }
        return
    with caplog.at_level(logging.WARNING):
        given = read_settings("service", told)
    assert caplog.text == ""
    nothing = read_settings("service", {})
    for name in told:
        without = read_settings("service", {key: value for key, value in told.items() if key != name})
        assert _parts(given) != _parts(without), f"{name} changes nothing"
        assert _parts(given) != _parts(nothing)


def _parts(settings: Any) -> tuple[Any, ...]:
    return settings.destinations, settings.sampler.ratio, settings.sampler.keeps_all, settings.retention


def test_the_compose_variables_name_an_agent() -> None:
    """`JAEGER_HOST` and `JAEGER_PORT` as the guide sets them lead to an agent by UDP."""
    (block,) = all_blocks("yaml")
    told = dict(line.split("=", 1) for line in yaml.safe_load(block.text)["environment"])
    (destination,) = read_settings("service", told).destinations
    assert (destination.protocol, destination.url) == (THRIFT_UDP, "udp://jaeger:6831")


def test_sampling_rules_are_read() -> None:
    """The rules of the reference are rules, each with its measure."""
    (block,) = all_blocks("json")
    rules = read_rules(block.text)
    assert len(rules) == len(json.loads(block.text))
    assert rules[0].fits("GET /marketdata/symbols", {})


def test_the_queries_are_promql(tmp_path: Path) -> None:
    """Prometheus itself takes every query of the reference."""
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    (block,) = all_blocks("promql")
    queries = [line for line in block.text.splitlines() if not line.startswith("#")]
    rules = [{"record": f"a:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "guide", "rules": rules}]}))
    checked = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(queries) == len(re.findall(r"^# ", block.text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link to another page, or a heading of one, has its target."""
    docs = ROOT / "docs"
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", (docs / page).read_text()):
        file, _, anchor = target.partition("#")
        text = (docs / (file or page)).read_text()
        headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}
        assert not anchor or anchor in headings, target
