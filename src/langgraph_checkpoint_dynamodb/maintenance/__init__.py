"""delete, copy, prune, apply_ttl, verify: operations on whole threads.

The rule: deletion runs in the reverse order of writing. Checkpoints and writes are deleted first,
then the unreferenced chunks that are older than the grace time.
"""
