"""`langgraph-dynamodb`: the command line, on typer and rich (extra `cli`).

The rule: a command calls public methods of the saver. What it reads of a table is shown as data and
escaped; nothing that a table names is imported or run.
"""
