"""`python -m jaegerlite`: run the trace backend."""

import argparse
import logging
import sys

import uvloop
from pydantic import ValidationError

from jaegerlite.access import AccessFileError
from jaegerlite.alerts.rules import RulesError
from jaegerlite.commands import COMMANDS
from jaegerlite.listeners import PortInUseError, TlsFilesError
from jaegerlite.remote_sampling.strategies import StrategiesError
from jaegerlite.server import DataError, serve
from jaegerlite.settings import Settings


def _options() -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog="jaegerlite",
        description="A trace backend that speaks Jaeger, in one process.",
        epilog=f"Commands beside running, each with --help: {', '.join(COMMANDS)}.",
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
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if command is not None:
        return command(sys.argv[2:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s jaegerlite %(levelname)s %(message)s")
    try:
        settings = Settings(**_options())  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors():
            names = "".join(f"JAEGERLITE_{str(name).upper()}: " for name in problem["loc"][:1])
            print(f"jaegerlite: {names}{problem['msg']}", file=sys.stderr)
        return 2
    try:
        uvloop.run(serve(settings))
    except (AccessFileError, DataError, PortInUseError, RulesError, StrategiesError, TlsFilesError) as error:
        print(f"jaegerlite: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
