"""DynamoDBConfig and DynamoDBTableConfig: the user's settings.

The rule: both classes validate every value when they are created, so all other code trusts it.
"""
