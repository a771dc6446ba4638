"""The deployed stack on this machine: an AWS emulator, FakeBedrock, and the CDK app as it is."""
