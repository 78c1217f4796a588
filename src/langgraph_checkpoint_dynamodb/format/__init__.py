"""Keys, items, bodies, compression, requests, expiry: what is stored, byte for byte.

The rule: pure functions, no I/O and no clock. `docs/format.md` specifies what these modules write,
and the tests compare it with `tests/golden`.
"""
