"""`llmmanager doctor`: checks what a call needs, and names the remedy for each problem."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.common_options import add_json, add_targets, auth_of, models_of, regions_of
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_targets(parser)
    parser.add_argument(
        "--no-call", action="store_true", help="do not call the models. A call costs one output token"
    )
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the findings: credentials, clock, regions, access and quotas."""
    import logging

    from llmmanager import AuthConfig
    from llmmanager.cli.health_checks import findings

    # The findings say the same as warnings of the library.
    logging.getLogger("llmmanager").setLevel(logging.ERROR)
    found = []
    auth = auth_of(options) or AuthConfig()
    for finding in findings(models_of(options), regions_of(options), auth, calls_models=not options.no_call):
        found.append(finding)
        if options.json:
            continue
        label, style = ("ok     ", "green") if finding.ok else ("problem", "red")
        terminal.print(label, end=" ", style=style)
        terminal.print(f"{finding.check}: {finding.message}")
        if finding.remedy:
            terminal.print(f"        {finding.remedy}")
    if options.json:
        terminal.print_json([finding.to_json() for finding in found])
    return ExitStatus.SUCCESS if all(finding.ok for finding in found) else ExitStatus.CONFIGURATION
