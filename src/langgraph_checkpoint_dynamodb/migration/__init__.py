"""Copies threads of other savers into the table; see `saver/migration.py` for the methods.

A source is any `BaseCheckpointSaver`, or the table of another DynamoDB saver, which is read as it
is stored: by a module for each layout.
"""
