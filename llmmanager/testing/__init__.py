"""FakeBedrock: an accurate imitation of Bedrock's HTTP API on loopback, for tests and demos without AWS.

In a test:

    with FakeBedrock() as bedrock:
        bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", count=2))
        bedrock.set_quota(tokens_per_minute=10_000, model="amazon.nova-lite-v1:0")
        answer = bedrock.client(region="us-west-2").converse(modelId=…, messages=…)
        assert bedrock.calls[0].status == 200

`bedrock.environment` contains the environment variables that direct every boto3 client to this server. The
pytest fixture `fake_bedrock` of `llmmanager.testing.pytest_plugin` sets them for one test. As a separate
process:

    python -m llmmanager.testing --port 8080 --config bedrock.json

The file contains options and rules of FakeBedrock. All of them are optional:

    {"seed": 1, "window_seconds": 60, "backend_url": "http://127.0.0.1:11434/v1", "backend_model": "llama3.2",
     "faults": [{"error": "ThrottlingException", "region": "us-east-1", "share": 0.2}],
     "quotas": [{"tokens_per_minute": 10000, "access": "on_demand"}],
     "latencies": [{"seconds": [0.2, 0.9], "per_chunk": 0.02}],
     "denied": [{"model": "anthropic.*", "region": "eu-west-1"}],
     "closed_regions": ["ap-east-1"],
     "enabled_regions": ["us-east-1", "us-west-2"],
     "guardrails": [{"identifier": "a1b2c3d4e5f6", "versions": ["1"]}],
     "resources": [{"arn": "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", "text": "Hi!"}],
     "rejected_credentials": {"AKIASTALE": "ExpiredTokenException"},
     "s3_endpoint": "http://127.0.0.1:9000",
     "jobs": {"start_seconds": 2, "record_seconds": 0.01},
     "job_faults": [{"outcome": "partial", "count": 1}]}

`POST /_fake/rules` adds the same rules at run time. `llmmanager.testing.control` lists all endpoints.
"""

from .answers import Answer
from .billing import ModelUsage, TokenCount
from .call_log import Call
from .catalog import FakeCatalog
from .errors import ServiceError
from .fake_bedrock import FakeBedrock
from .job_rules import JobFault, JobSettings
from .models import FakeModel
from .rules import Fault, Latency, Quota, Scope

__all__ = [
    "Answer",
    "Call",
    "FakeBedrock",
    "FakeCatalog",
    "FakeModel",
    "Fault",
    "JobFault",
    "JobSettings",
    "Latency",
    "ModelUsage",
    "Quota",
    "Scope",
    "ServiceError",
    "TokenCount",
]
