"""The CDK app: `cdk synth` and `cdk deploy` run this."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from infra.lambda_asset import AssetError
from infra.permissions import TooManyPermissionsError
from infra.settings import DeploymentSettings, SettingsError
from infra.stack import LlmManagerStack


def main() -> None:
    """Synthesise the stack for the account and region of the CDK command line, or for any without them."""
    app = cdk.App()
    settings = DeploymentSettings.from_context(app.node.get_all_context())
    LlmManagerStack(
        app,
        settings.stack_name,
        settings=settings,
        env=cdk.Environment(
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
        ),
        description="LLMManager for Amazon Bedrock: single requests, batches and a model catalog",
    )
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, TooManyPermissionsError, AssetError) as error:
        sys.exit(str(error))
