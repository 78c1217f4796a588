"""put, put_writes, get, listing, delta_history: a module for each method of LangGraph.

What they share: `memory` (what this process knows of a checkpoint), `parent` (the checkpoint that a
put continues), `fencing`, `ancestors`. The rule: memory is looked up once for each operation; it
decides which requests are sent, and never which values are stored.
"""
