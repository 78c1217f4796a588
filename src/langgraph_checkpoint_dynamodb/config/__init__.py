"""DynamoDBConfig and DynamoDBTableConfig: what a user sets.

The rule: every value is checked when the object is made, so that all other code trusts them.
"""
