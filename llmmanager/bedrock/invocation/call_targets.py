"""The targets that one call may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.invocation.targets import TargetGroup, Targets
from llmmanager.bedrock.validation.media import with_models
from llmmanager.bedrock.validation.request import ValidRequest, invalid

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.cost_limit import CostLimit


class CallTargets:
    """The targets of a manager that are left for one call.

    Models that do not accept the request are left out, and so are targets where it may cost too much.

    Args:
        regions: some of the manager's regions, in this order; None for all.
        max_cost_multiple: `RetryConfig.max_cost_multiple`.

    Raises:
        ConfigurationError: no model can be called in the regions.
        RequestValidationError: no model that can be called there accepts the request.
    """

    def __init__(
        self,
        targets: Targets,
        request: ValidRequest,
        *,
        regions: Sequence[str] | None,
        max_cost_multiple: float | None,
    ) -> None:
        self._targets = targets
        self._regions = regions
        self._skipped = request.skipped_models
        self._cost_limit: CostLimit | None = None
        found = targets.required(regions)
        if self._skipped and all(group[0].model_id in self._skipped for group in found):
            models = dict.fromkeys(group[0].model_id for group in found)
            raise invalid(with_models({model_id: self._skipped[model_id] for model_id in models}))
        if max_cost_multiple is not None:
            # Imported here, since few managers limit the cost.
            from llmmanager.bedrock.invocation.cost_limit import CostLimit

            self._cost_limit = CostLimit(max_cost_multiple, request.fields, targets.first(regions))

    @property
    def too_expensive(self) -> str:
        """The models left out by the cost limit and the reasons; empty without any."""
        return self._cost_limit.left_out if self._cost_limit else ""

    def groups(self) -> Sequence[TargetGroup]:
        """Return the known target groups in order."""
        groups: Sequence[TargetGroup] = self._targets.groups(self._regions)
        if self._skipped:
            groups = [group for group in groups if group[0].model_id not in self._skipped]
        return groups if self._cost_limit is None else self._cost_limit.within(groups)

    def access_method_rejected(self, target: ModelAccess, remaining: float) -> Sequence[ModelAccess]:
        """Record that AWS rejected the access method of a target. Return the other targets of its group.

        Args:
            target: the rejected target.
            remaining: maximum seconds for a call to Bedrock.
        """
        group = self._targets.access_method_rejected(target, remaining)
        if self._cost_limit is None:
            return group
        return [other for affordable in self._cost_limit.within([group]) for other in affordable]

    def refresh(self, remaining: float) -> Sequence[TargetGroup]:
        """Refresh the catalog and return the target groups.

        Args:
            remaining: maximum seconds for calls to Bedrock.
        """
        self._targets.refresh_catalog(remaining)
        return self.groups()
