"""Reads FakeBedrock's options and rules from JSON: a config file or a request to `/_fake/rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from .catalog import FakeCatalog
from .fake_state import FakeBedrockState
from .job_rules import JobFault, JobSettings
from .models import FakeModel
from .resources import Guardrail, Resource
from .rules import Fault, Latency, Quota, Scope, decode

T = TypeVar("T")
_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "port": (int,),
    "seed": (int,),
    "default_region": (str,),
    "window_seconds": (int, float),
    "page_size": (int,),
    "log_limit": (int,),
    "backend_url": (str,),
    "backend_model": (str,),
    "s3_endpoint": (str,),
}
_RULES = (
    "faults",
    "quotas",
    "latencies",
    "denied",
    "closed_regions",
    "enabled_regions",
    "rejected_credentials",
    "guardrails",
    "resources",
    "jobs",
    "job_faults",
)


def options_of(settings: Any) -> dict[str, Any]:
    """Return the keyword arguments of FakeBedrock in the object of a config file.

    Raise ValueError with the key for an unknown key or a value of the wrong type.
    """
    if not isinstance(settings, Mapping):
        raise ValueError("the settings must be an object")
    options = {name: value for name, value in settings.items() if name not in (*_RULES, "models")}
    for name, value in options.items():
        if name not in _OPTIONS:
            known = ", ".join(sorted((*_OPTIONS, *_RULES, "models")))
            raise ValueError(f"{name} is unknown; accepted are {known}")
        if not isinstance(value, _OPTIONS[name]) or isinstance(value, bool):
            raise ValueError(f"{name} must be {' or '.join(kind.__name__ for kind in _OPTIONS[name])}")
    if "models" in settings:
        models = _decoded(settings, "models", FakeModel)
        options["catalog"] = FakeCatalog(*models)
    return options


def apply_rules(bedrock: FakeBedrockState, settings: Any) -> list[int]:
    """Add all rules of `settings` and return the handles of the faults.

    Raise ValueError with the path of an invalid rule, and add no rule. `options_of` rejects unknown keys.
    """
    faults, quotas = _decoded(settings, "faults", Fault), _decoded(settings, "quotas", Quota)
    latencies, denied = _decoded(settings, "latencies", Latency), _decoded(settings, "denied", Scope)
    guardrails = _decoded(settings, "guardrails", Guardrail)
    resources = _decoded(settings, "resources", Resource)
    closed, enabled = _regions(settings, "closed_regions"), _regions(settings, "enabled_regions")
    job_settings, job_faults = settings.get("jobs", {}), _decoded(settings, "job_faults", JobFault)
    decode(JobSettings, job_settings, where="jobs")
    credentials, window = settings.get("rejected_credentials", {}), settings.get("window_seconds")
    if window is not None and window <= 0:
        raise ValueError(f"window_seconds must be more than 0, not {window!r}")
    if not isinstance(credentials, Mapping) or not all(isinstance(e, str) for e in credentials.values()):
        raise ValueError("rejected_credentials must map access key ids to error names")
    if window is not None:
        bedrock.set_window(window)
    for quota in quotas:
        bedrock.set_quota(**asdict(quota))
    for latency in latencies:
        bedrock.set_latency(**asdict(latency))
    for scope in denied:
        bedrock.deny(**asdict(scope))
    for guardrail in guardrails:
        bedrock.add_guardrail(**asdict(guardrail))
    for resource in resources:
        bedrock.add_resource(**asdict(resource))
    if "enabled_regions" in settings:
        bedrock.enable_regions(*enabled)
    for region in closed:
        bedrock.close_region(region)
    for access_key_id, error in credentials.items():
        bedrock.reject_credentials(access_key_id, error=error)
    if "s3_endpoint" in settings:
        bedrock.set_s3_endpoint(settings["s3_endpoint"])
    bedrock.set_jobs(**job_settings)
    for fault in job_faults:
        bedrock.add_job_fault(fault)
    return [bedrock.add_fault(fault) for fault in faults]


def _decoded(settings: Mapping[str, Any], name: str, kind: type[T]) -> list[T]:
    return [decode(kind, item, where=f"{name}[{index}]") for index, item in enumerate(_list(settings, name))]


def _regions(settings: Mapping[str, Any], name: str) -> list[str]:
    regions = _list(settings, name)
    if not all(isinstance(region, str) for region in regions):
        raise ValueError(f"{name} must be a list of region names")
    return regions


def _list(settings: Mapping[str, Any], name: str) -> list[Any]:
    value = settings.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")
    return value
