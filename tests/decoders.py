"""Every decoder that reads what strangers send, as a function of bytes: for fuzzing.

`python -m tests.decoders NAME [libFuzzer options]` runs one under atheris, where that is installed (`pip install
atheris`), best without the compiled modules, into which it does not see; without a name it lists them. The unit tests
feed them with Hypothesis.
"""

import json
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Final

from jaegerlite.columns import SpanColumns
from jaegerlite.decode import decode_request
from jaegerlite.find.language import parse
from jaegerlite.jaeger_json import trace_json
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.otlp_json import request_from_json
from jaegerlite.otlp_spans import spans_from_otlp
from jaegerlite.receive.intake import RefusedError
from jaegerlite.receive.jaeger_thrift import otlp_from_batch
from jaegerlite.receive.thrift import BinaryReader, CompactReader
from jaegerlite.receive.unpack import unpack
from jaegerlite.receive.zipkin import otlp_from_zipkin
from jaegerlite.series import SeriesRegistry
from jaegerlite.wire import MalformedError

UNPACKED_MAX: Final = 100_000


def _show(otlp: bytes) -> None:
    """What was taken must be storable, and readable to the last attribute."""
    decode_request(otlp, SpanColumns(), SeriesRegistry())
    for key, spans in spans_from_otlp(otlp).items():
        json.loads(bytes(trace_json(key, spans)))


def _udp(reader: Callable[[bytes], BinaryReader | CompactReader], data: bytes) -> None:
    opened = reader(data)
    opened.message()
    _show(otlp_from_batch(opened.struct()))


DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    "otlp-protobuf": _show,
    "otlp-json": lambda data: _show(request_from_json(data)),
    "thrift-binary": lambda data: _show(otlp_from_batch(BinaryReader(data).struct())),
    "thrift-compact": lambda data: _show(otlp_from_batch(CompactReader(data).struct())),
    "udp-binary": lambda data: _udp(BinaryReader, data),
    "udp-compact": lambda data: _udp(CompactReader, data),
    "zipkin-json": lambda data: _show(otlp_from_zipkin(data)),
    "gzip": lambda data: unpack(data, "gzip", UNPACKED_MAX),
    "zstd": lambda data: unpack(data, "zstd", UNPACKED_MAX),
    "query-language": lambda data: parse(data.decode("utf-8", "replace")),
}
REFUSALS: Final = (MalformedError, RefusedError, ParameterError)


def survives(name: str, data: bytes) -> bool:
    """Feed a decoder; whether it took the bytes, rather than refuse them. Anything but these two is raised."""
    try:
        DECODERS[name](data)
    except REFUSALS:
        return False
    return True


def _functions() -> Iterator[FunctionType]:
    """The functions of jaegerlite, whose ways the fuzzer follows: those that are not compiled."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jaegerlite"):
            for value in list(vars(module).values()):
                inside = vars(value).values() if isinstance(value, type) else (value,)
                yield from (each for each in inside if isinstance(each, FunctionType) and each.__module__ == name)


def main() -> int:
    """Fuzz one decoder until stopped."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in DECODERS:
        print("\n".join(DECODERS))
        return 0
    try:
        import atheris  # type: ignore[import-untyped]
    except ImportError:
        print("atheris is not installed: pip install atheris", file=sys.stderr)
        return 1
    for function in _functions():
        atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: survives(name, data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
