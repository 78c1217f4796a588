"""sync and aio: execute the effects that operations yield. All I/O is here.

The rule: an operation behaves the same under both drivers. Only this package imports boto3,
botocore, aiobotocore, asyncio and tenacity; every error of theirs becomes one of `errors`.
"""
