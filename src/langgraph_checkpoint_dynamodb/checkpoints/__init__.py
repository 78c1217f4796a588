"""put, put_writes, get, listing, delta_history: a module for each method of LangGraph.

They share `checkpoint_items` (finding the items of checkpoints), `memory` and `recall` (what this
process remembers of them), `parent` (the checkpoint that a put continues), `ancestors` and
`fencing`. The rule: an operation looks memory up once. Memory decides which requests are sent,
never which values are stored.
"""
