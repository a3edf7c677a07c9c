"""`outcry auditor`: the audit, again and again, beside a deployed exchange, its findings as figures for Prometheus.

It reads the database by a role that can do nothing else, and asks the engine for its books by a credential of its own.
"""

import asyncio
import time

import structlog
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from pydantic import Field

from outcry import audit
from outcry.audit import Report
from shared.batching import Clients
from shared.contracts.operations import AUDITOR
from shared.logs import setup_logs
from shared.settings import ServiceSettings

log = structlog.get_logger()

RETRY_S = 60.0
"""After an audit that could not prove anything: the next quiet moment may be soon."""


class AuditorSettings(ServiceSettings):
    """Each is the environment variable of the same name in capitals."""

    port: int = Field(9400, ge=1, le=65535, description="where the figures are read")
    audit_every_s: float = Field(900, gt=0, description="pause between two audits")
    audit_wait_s: float = Field(25, ge=0, description="how long to wait for a moment in which all have caught up")


class Figures:
    """What Prometheus reads of the audits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._findings = Gauge(
            "outcry_audit_findings", "What broke a promise when it was last looked at", ["promise"], registry=registry
        )
        self._proven = Gauge(
            "outcry_audit_proven_timestamp_seconds", "When an audit last looked at all promises", registry=registry
        )
        self._seconds = Gauge("outcry_audit_seconds", "How long the last audit took", registry=registry)

    def show(self, report: Report, took_s: float) -> None:
        """Takes over the findings of all promises that were looked at."""
        for result in report.results:
            if result.checked:
                self._findings.labels(result.promise).set(result.count)
        if report.results and not report.unproven:
            self._proven.set_to_current_time()
        self._seconds.set(took_s)


def once(settings: AuditorSettings, wait_s: float) -> Report:
    """One audit of the exchange that these settings lead to."""
    clients = Clients(settings.service_secret.get_secret_value(), settings.url_of, settings.shards)
    return asyncio.run(audit.audit_running(settings.database_url.get_secret_value(), clients, wait_s))


async def run(settings: AuditorSettings) -> None:
    """Audits for ever."""
    setup_logs(AUDITOR)
    registry = CollectorRegistry()
    figures = Figures(registry)
    start_http_server(settings.port, settings.host, registry)
    clients = Clients(settings.service_secret.get_secret_value(), settings.url_of, settings.shards)
    while True:
        started = time.monotonic()
        report = await audit.audit_running(settings.database_url.get_secret_value(), clients, settings.audit_wait_s)
        figures.show(report, time.monotonic() - started)
        for result in report.results:
            for finding in result.findings:
                log.error("the audit found something", promise=result.promise, finding=finding)
        log.info("audited", status=report.status, unproven=report.unproven)
        await asyncio.sleep(min(RETRY_S, settings.audit_every_s) if report.unproven else settings.audit_every_s)
