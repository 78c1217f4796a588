"""Effects, Context, LRU cache, single flight, counters, logs: what every operation runs with.

An operation is a generator: it yields effects (calls of AWS, waits, work) and a driver executes
them. The rule of this package: it imports nothing of the others, and locks, threads and fork
handlers stand here or in `drivers`.
"""
