"""`llmmanager models`: shows models with their access, quotas and prices."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmmanager.cli.common_options import (
    add_json,
    add_profile,
    add_regions,
    auth_of,
    regions_of,
    require_credentials,
)
from llmmanager.cli.error_messages import command_error
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import UnifiedModelManager
    from llmmanager.bedrock.catalog.catalog_entries import ModelAccess

_MILLION = 1_000_000
_TIMEOUT_SECONDS = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("name", nargs="?", default="", help="only models with this in their name or id")
    parser.add_argument(
        "--offline", action="store_true", help="show the bundled catalog without quotas, and call no service"
    )
    add_regions(parser)
    add_profile(parser)
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print a row for each way to call a model in a region. Prices are in USD for a million tokens."""
    regions = regions_of(options)
    catalog = _catalog(options, regions, terminal)
    rows = [row for region in regions for row in _rows(catalog, region, options.name.casefold())]
    if options.json:
        terminal.print_json(rows)
        return ExitStatus.SUCCESS
    if not rows:
        raise CommandError(
            f"no model with {options.name!r} in its name can be called in {', '.join(regions)}"
        )
    columns = {
        "model": "name",
        "region": "region",
        "access": "accessMethod",
        "id": "invokeId",
        "tokens/min": "tokensPerMinute",
        "requests/min": "requestsPerMinute",
        "input $/M": "inputUsdPerMillion",
        "output $/M": "outputUsdPerMillion",
    }
    terminal.print_table(list(columns), [[_text(row[member]) for member in columns.values()] for row in rows])
    return ExitStatus.SUCCESS


def _catalog(options: Namespace, regions: list[str], terminal: Terminal) -> UnifiedModelManager:
    from llmmanager import AuthConfig, LLMManagerError, UnifiedModelManager
    from llmmanager.bedrock.transport.clients import ClientPool

    clients = ClientPool(auth_of(options) or AuthConfig(), timeout=_TIMEOUT_SECONDS)
    catalog = UnifiedModelManager(regions=regions, client_factory=clients.client)
    if not options.offline:
        try:
            require_credentials(options)
            catalog.refresh_unified_data()
        except LLMManagerError as error:
            terminal.note(f"this is the bundled catalog: {command_error(error)}", style="yellow")
    return catalog


def _rows(catalog: UnifiedModelManager, region: str, name: str) -> Iterator[dict[str, Any]]:
    for model_name, entry in sorted(catalog.get_models_by_region(region).items()):
        if name in model_name.casefold() or name in entry.model_id.casefold():
            for target in catalog.access(entry.model_id, region):
                yield _row(catalog, target)


def _row(catalog: UnifiedModelManager, target: ModelAccess) -> dict[str, Any]:
    offered = catalog.ensure_data_available().region(target.region)
    quota = offered.quota(target.model_id, target.access_method) if offered else None
    return {
        "name": target.model_name,
        "modelId": target.model_id,
        "region": target.region,
        "accessMethod": target.access_method,
        "invokeId": target.invoke_id,
        "tokensPerMinute": quota.tokens_per_minute if quota else None,
        "requestsPerMinute": quota.requests_per_minute if quota else None,
        "inputUsdPerMillion": _price(target, "inputTokens"),
        "outputUsdPerMillion": _price(target, "outputTokens"),
    }


def _price(target: ModelAccess, tokens: str) -> float | None:
    from llmmanager import estimate_cost

    price = estimate_cost(
        target.model_id,
        {tokens: _MILLION},
        access_method=target.access_method,
        inference_profile_id=target.inference_profile_id,
        region=target.region,
    )
    return None if price is None else round(price, 6)


def _text(value: Any) -> str | None:
    return f"{value:,g}" if isinstance(value, float) and value < _MILLION else _whole(value)


def _whole(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:,.0f}" if isinstance(value, float) else str(value)
