"""The dictionary of series: a number for each distinct resource, scope, span kind and span name.

Spans repeat these four endlessly, so a span keeps one small number instead. A program that writes ids into its span
names makes a series of each span: the dictionary has room for some 100,000, and then knows no new ones.
"""

from dataclasses import dataclass
from typing import Final

from jaegerlite.otlp import Attributes
from jaegerlite.otlp_read import read_resource, read_scope

KIND_NAMES: Final = ("", "internal", "server", "client", "producer", "consumer")
# What the dictionary may take in memory, about; what a series and a context take of it, and how often bytes are kept.
BYTES_MAX: Final = 64_000_000
SERIES_BYTES: Final = 600
CONTEXT_BYTES: Final = 2_000
COPIES: Final = 4
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
        self.described: _Described | None = None

    def describe(self) -> "_Described":
        """What resource and scope say, read once."""
        if self.described is None:
            attributes = read_resource(self.resource)
            service = str(dict(attributes).get("service.name", NO_SERVICE_NAME)) or NO_SERVICE_NAME
            self.described = _Described(service, attributes, *read_scope(self.scope))
        return self.described


@dataclass(frozen=True, slots=True)
class _Described:
    service: str
    resource_attributes: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes


class SeriesRegistry:
    """All series known, by number; grows only."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[bytes, bytes], Context] = {}
        self.all: list[Series] = []
        self.service_numbers: list[int] = []
        self.services: list[str] = []
        self._service_number_by_name: dict[str, int] = {}
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether no new names should be added."""
        return self._bytes > BYTES_MAX

    def context(self, resource: bytes, scope: bytes) -> Context:
        """The context of a resource and a scope, both as OTLP bytes."""
        key = (resource, scope)
        found = self._contexts.get(key)
        if found is None:
            found = Context(resource, scope)
            if not self.is_full:
                self._contexts[key] = found
                self._bytes += CONTEXT_BYTES + COPIES * (len(resource) + len(scope))
        return found

    def add(self, context: Context, kind: int, name: bytes) -> int:
        """Give the next number to a name (UTF-8) that the context does not have yet under this kind."""
        about = context.describe()
        service = about.service
        number = len(self.all)
        self._bytes += SERIES_BYTES + COPIES * len(name)
        self.all.append(
            Series(
                number,
                context.resource,
                context.scope,
                kind,
                name,
                name.decode("utf-8", "replace"),
                service,
                about.resource_attributes,
                about.scope_name,
                about.scope_version,
                about.scope_attributes,
            )
        )
        service_number = self._service_number_by_name.setdefault(service, len(self.services))
        if service_number == len(self.services):
            self.services.append(service)
        self.service_numbers.append(service_number)
        context.names_by_kind[kind][name] = number
        return number
