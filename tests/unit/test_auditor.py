"""What the auditor tells Prometheus of its audits."""

from prometheus_client import CollectorRegistry

from outcry.audit import Report, Result
from outcry.auditor import Figures


def test_findings_are_figures_and_what_was_not_proven_is_no_news() -> None:
    """Findings count per promise that was looked at; an audit without a quiet moment hides none of them."""
    registry = CollectorRegistry()
    figures = Figures(registry)

    def findings(promise: str) -> float | None:
        return registry.get_sample_value("outcry_audit_findings", {"promise": promise})

    def proven() -> float:
        return registry.get_sample_value("outcry_audit_proven_timestamp_seconds") or 0

    figures.show(Report([Result("a", count=2), Result("b", checked=False)], unproven="busy"), 1.5)
    assert (findings("a"), findings("b"), proven()) == (2, None, 0)
    figures.show(Report([Result("a"), Result("b", count=1)]), 0.5)
    assert (findings("a"), findings("b")) == (0, 1)
    assert proven() > 0
    figures.show(Report([], unproven="the database can't be read"), 0.1)
    assert (findings("a"), findings("b")) == (0, 1)
    assert registry.get_sample_value("outcry_audit_seconds") == 0.1
