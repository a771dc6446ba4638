"""The model of a job as a target of the library."""

from __future__ import annotations

from lambdas.shared.manager import catalog
from llmmanager import ConfigurationError
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess


def job_target(model: str, invoke_id: str, region: str) -> ModelAccess:
    """Return the target of a job.

    Args:
        model: the id of the model.
        invoke_id: the id of the model or of the inference profile that the job uses.
    """
    try:
        known = catalog().access(model, region)
    except ConfigurationError:
        # The model was removed from the catalog after the job was created.
        known = ()
    for target in known:
        if target.invoke_id == invoke_id:
            return target
    if invoke_id == model:
        return ModelAccess(model, model, region, AccessMethod.ON_DEMAND, model)
    return ModelAccess(model, model, region, AccessMethod.from_profile(invoke_id), invoke_id, invoke_id)
