"""Boundaries, cuts, reference trees: content-defined chunking of values.

The rule: pure functions of bytes. Whether bytes end a chunk depends on the bytes around that place
alone, so equal content gives equal chunks wherever it stands.
"""
