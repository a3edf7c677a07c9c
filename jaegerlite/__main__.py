"""`python -m jaegerlite`: run the trace backend."""

import argparse
import logging
import sys

import duckdb
import uvloop
from pydantic import ValidationError

from jaegerlite.alerts.command import rules_command
from jaegerlite.alerts.rules import RulesError
from jaegerlite.listeners import PortInUseError
from jaegerlite.server import serve
from jaegerlite.settings import Settings


def _options() -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog="jaegerlite", description="A trace backend that speaks Jaeger, in one process."
    )
    for name, field in Settings.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            default=argparse.SUPPRESS,
            help=f"{field.description} (JAEGERLITE_{name.upper()}, default {field.default})",
        )
    parser.add_argument("--data", dest="data_dir", default=argparse.SUPPRESS, help="the same as --data-dir")
    return vars(parser.parse_args())


def main() -> int:
    """Run until stopped; 0 after a clean stop, 1 or 2 with one line on stderr when it cannot start."""
    if sys.argv[1:2] == ["rules"]:
        return rules_command(sys.argv[2:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s jaegerlite %(levelname)s %(message)s")
    try:
        settings = Settings(**_options())  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors():
            print(f"jaegerlite: JAEGERLITE_{str(problem['loc'][0]).upper()}: {problem['msg']}", file=sys.stderr)
        return 2
    try:
        uvloop.run(serve(settings))
    except (PortInUseError, RulesError, duckdb.IOException) as error:
        print(f"jaegerlite: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
