"""Batches on this machine: the records of a file are run by one process, which can be interrupted."""
