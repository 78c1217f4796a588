"""Content-defined chunking of values: boundaries, cuts, reference trees.

The rule: pure functions of bytes. Only the bytes around a boundary decide where it is, so equal
content gives equal chunks wherever it is in a value.
"""
