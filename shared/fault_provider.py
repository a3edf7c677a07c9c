"""The file of flags as an OpenFeature provider, and the loop that switches this process's faults by it.

OpenFeature is asked when the file has changed or a fault's time is over. On the way of a request nobody asks but for
``Fault.on``.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import Metadata
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from prometheus_client import Gauge

from shared.fault_file import VARIANTS, FaultFileError, Flag, read_flags
from shared.faults import FAULTS

log = structlog.get_logger()

DOMAIN = "outcry-faults"
LOOK_EVERY_S = 0.25
NEVER_S = float("inf")

ON = Gauge("outcry_fault_on", "1 while a fault is switched on here", ["fault"])


class FileProvider(InMemoryProvider):
    """OpenFeature's provider in memory, with what the file says."""

    def __init__(self) -> None:
        super().__init__({})

    def get_metadata(self) -> Metadata:
        return Metadata("outcry faults file")

    def take(self, flags: Mapping[str, Flag]) -> None:
        """From now on these flags hold. Who listens to OpenFeature's events is told."""
        self._flags = {name: _in_memory(flag) for name, flag in flags.items()}
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=list(flags)))


class FaultFollower:
    """Switches the faults of this process as the file says. ``run`` is to be kept running next to the service."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._provider = FileProvider()
        api.set_provider_and_wait(self._provider, DOMAIN)
        self._client = api.get_client(DOMAIN)
        self._stamp: tuple[int, int, int] | None = None
        self._due_s = 0.0
        self._ends_s: list[int] = []

    async def run(self) -> None:
        """Follows the file for ever; at the end all is off."""
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for fault in FAULTS.values():
                fault.switch(False)

    def look(self) -> None:
        """Switches what has changed. A file that can't be used changes nothing and is told of in the log."""
        stamp, now_s = self._stamp_of_file(), time.time()
        if stamp == self._stamp and now_s < self._due_s:
            return
        if stamp != self._stamp or stamp is None:
            self._stamp = stamp
            try:
                flags = read_flags(self._path)
            except FaultFileError as error:
                log.error("faults stay as they are", error=str(error))
                self._due_s = NEVER_S
                return
            self._provider.take(flags)
            self._ends_s = sorted(flag.until_s for flag in flags.values() if flag.until_s is not None)
        for fault in FAULTS.values():
            on = self._client.get_boolean_value(fault.name, False)
            if on != fault.on:
                log.warning("fault is on" if on else "fault is off", fault=fault.name)
                fault.switch(on)
            ON.labels(fault.name).set(on)
        self._due_s = next((end_s for end_s in self._ends_s if end_s > now_s), NEVER_S)

    def _stamp_of_file(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _in_memory(flag: Flag) -> InMemoryFlag[bool]:
    def resolve(kept: InMemoryFlag[bool], _context: EvaluationContext) -> FlagResolutionDetails[bool]:
        variant = "on" if flag.is_on(time.time()) else "off"
        reason = Reason.STATIC if flag.until_s is None else Reason.TARGETING_MATCH
        return FlagResolutionDetails(kept.variants[variant], reason=reason, variant=variant)

    variants: dict[str, Any] = dict(VARIANTS)
    return InMemoryFlag("off", variants, context_evaluator=resolve)
