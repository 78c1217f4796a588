"""Values to bodies and back: serializer, message memo, snapshots, headers.

The rule: what is stored is what the caller passed in when it called, and what is remembered is
never an object that the caller has.
"""
