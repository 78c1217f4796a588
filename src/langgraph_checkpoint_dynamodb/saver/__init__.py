"""DynamoDBSaver: LangGraph's checkpointer interface.

The rule: a method checks its arguments before it sends anything. Then a driver runs an operation of
`checkpoints`, `maintenance` or `infra`.
"""
