"""The dictionary of series: a number for each distinct resource, scope, span kind and span name.

Spans repeat these four endlessly, so a span keeps one small number instead. The number of names is unbounded in a
program that writes ids into its span names; such a program pays with memory here, as it does in every trace backend.
"""

from dataclasses import dataclass
from typing import Final

from jaegerlite.otlp import Attributes
from jaegerlite.otlp_read import read_resource, read_scope

KIND_NAMES: Final = ("", "internal", "server", "client", "producer", "consumer")
NO_SERVICE_NAME: Final = "OTLPResourceNoServiceName"


@dataclass(frozen=True, slots=True)
class Series:
    """What all spans of one series share; `resource`, `scope` and `name_bytes` are as they came."""

    number: int
    resource: bytes
    scope: bytes
    kind: int
    name_bytes: bytes
    name: str
    service: str
    resource_attributes: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes

    @property
    def kind_name(self) -> str:
        """Jaeger's word for the span kind; empty where the sender gave none."""
        return KIND_NAMES[self.kind]


class Context:
    """One resource and scope, with the numbers of the names seen under them: a dictionary per span kind."""

    def __init__(self, resource: bytes, scope: bytes) -> None:
        self.resource = resource
        self.scope = scope
        self.names_by_kind: list[dict[bytes, int]] = [{} for _ in KIND_NAMES]


class SeriesRegistry:
    """All series known, by number; grows only."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[bytes, bytes], Context] = {}
        self.all: list[Series] = []
        self.service_numbers: list[int] = []
        self.services: list[str] = []
        self._service_number_by_name: dict[str, int] = {}

    def context(self, resource: bytes, scope: bytes) -> Context:
        """The context of a resource and a scope, both as OTLP bytes."""
        key = (resource, scope)
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = Context(resource, scope)
        return found

    def add(self, context: Context, kind: int, name: bytes) -> int:
        """Give the next number to a name (UTF-8) that the context does not have yet under this kind."""
        attributes = read_resource(context.resource)
        service = str(dict(attributes).get("service.name", NO_SERVICE_NAME)) or NO_SERVICE_NAME
        scope_name, scope_version, scope_attributes = read_scope(context.scope)
        number = len(self.all)
        self.all.append(
            Series(
                number,
                context.resource,
                context.scope,
                kind,
                name,
                name.decode("utf-8", "replace"),
                service,
                attributes,
                scope_name,
                scope_version,
                scope_attributes,
            )
        )
        service_number = self._service_number_by_name.setdefault(service, len(self.services))
        if service_number == len(self.services):
            self.services.append(service)
        self.service_numbers.append(service_number)
        context.names_by_kind[kind][name] = number
        return number
