"""FakeBedrock: a wire-accurate Bedrock on loopback, for tests and for running without AWS."""

from .call_log import Call
from .catalog import FakeCatalog, FakeModel
from .errors import ServiceError
from .fake_bedrock import FakeBedrock
from .rules import Fault, Latency, Quota, Scope

__all__ = [
    "Call",
    "FakeBedrock",
    "FakeCatalog",
    "FakeModel",
    "Fault",
    "Latency",
    "Quota",
    "Scope",
    "ServiceError",
]
