"""The command `llmmanager`. `llmmanager --help` loads argparse and no other module of the library."""
