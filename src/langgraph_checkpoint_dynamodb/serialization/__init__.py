"""Values to bodies and back: serializer, message memo, snapshots, headers.

The rule: the saver stores the values as they are at the time of the call, and never keeps a
reference to an object of the caller.
"""
