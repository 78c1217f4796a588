"""Reads and writes chunks and items in batches.

The rule: a read returns all pages and all unprocessed keys, and a write returns only when no item
is left unprocessed. Chunks are acknowledged before an item refers to them. An item is replaced
only by a conditional put.
"""
