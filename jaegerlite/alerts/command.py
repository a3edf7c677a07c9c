"""`python -m jaegerlite rules`: look at the alert rules without running anything."""

import argparse
import sys
from pathlib import Path

from jaegerlite.alerts.prometheus import rule_file
from jaegerlite.alerts.rules import RulesError, load_rules


def rules_command(arguments: list[str]) -> int:
    """Check the rules; print them as a Prometheus rule file if asked. 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="jaegerlite rules", description="Check the alert rules, or turn them into a Prometheus rule file."
    )
    parser.add_argument("--file", type=Path, help="the rules; without it, the default ones")
    parser.add_argument("--prometheus", action="store_true", help="print a Prometheus rule file")
    options = parser.parse_args(arguments)
    try:
        rules = load_rules(options.file)
    except RulesError as error:
        print(f"jaegerlite: {error}", file=sys.stderr)
        return 1
    if options.prometheus:
        print(rule_file(rules), end="")
    else:
        print(f"{len(rules.rules)} rules: {', '.join(rule.name for rule in rules.rules)}")
    return 0
