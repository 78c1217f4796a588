"""delete, copy, prune, apply_ttl, verify: operations on whole threads.

The rule: deletion runs in reverse of writing. Checkpoints and writes go first, then chunks that
nothing refers to and that are older than the grace time.
"""
