"""Chunks and items, read and written in batches.

The rule: every reply is taken whole (all pages, all unprocessed items), chunks are acknowledged
before an item refers to them, and no item is replaced without a condition.
"""
