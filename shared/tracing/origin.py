"""Who makes spans: the process, and the library in it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Scope:
    """The instrumentation scope: the library that makes the spans."""

    __slots__ = ("attributes", "name", "schema_url", "version")

    def __init__(self, name: str, version: str, schema_url: str, attributes: Mapping[str, Any] | None) -> None:
        self.name = name
        self.version = version
        self.schema_url = schema_url
        self.attributes = attributes


class Resource:
    """The process that makes the spans, as attributes."""

    __slots__ = ("attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = MappingProxyType(dict(attributes))
