"""Run the CDK app's stack on this machine with an AWS emulator and FakeBedrock."""
