"""`llmmanager local`: runs FakeBedrock."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from llmmanager.cli.common_options import port
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--port", type=port, help="the port to listen on; by default a free one")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a JSON file of settings and rules")
    parser.add_argument("--quiet", action="store_true", help="do not print the calls")


def run(options: Namespace, _terminal: Terminal) -> int:
    """Serve until Ctrl-C."""
    from llmmanager.testing.__main__ import serve

    return serve(port=options.port, config=options.config, quiet=options.quiet)
