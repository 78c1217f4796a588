"""DynamoDBSaver: LangGraph's checkpointer interface.

The rule: arguments are checked here, before anything is sent; then an operation of `checkpoints`,
`maintenance` or `infra` is run by a driver.
"""
