"""What the saver's errors and reports say, in the command line's words.

They are written for Python: they name arguments, settings and methods. Here these become options,
parameters of the template and commands.
"""

from __future__ import annotations

import re

from ..infra.template import SETTINGS

_OPTIONS = {
    "table_name": "--table",
    "region_name": "--region",
    "endpoint_url": "--endpoint-url",
    "stack_name": "--stack",
    "ttl_seconds": "--ttl-seconds",
    "thread_owner": "--owner-key",
    "key_prefix": "--key-prefix",
    "thread_id": "THREAD",
    **{name: f"--{name}" for name in ("owner", "cursor", "layout", "bucket")},
}
PARAMETERS = {name: parameter for parameter, name in SETTINGS.items() if name not in _OPTIONS}
"""The template's parameter for each setting of a table."""

_COMMANDS = {
    "delete_thread": "threads rm",
    "erase_owner": "threads rm",
    "export_threads": "threads export",
    "index_threads": "threads index",
    "list_threads": "threads ls",
    "prune_threads": "prune",
}
_PHRASES = (
    (r"Make it with DynamoDBSaver\(config, deploy=True\)", "Make it with `deploy`"),
    (
        r"saver\.migrate\(SourceTable\(layout='0\.1\.3', table_name=(.*?)\), \[(.*?)\]\), or all "
        r"threads of the table without the list",
        r"`migrate \1 --layout 0.1.3 --thread \2`, or all threads of the table without --thread",
    ),
    (r"DynamoDBConfig\(region_name=…, session=…\)", "--region or --profile"),
    (
        r"set AWS_ENDPOINT_URL, or DynamoDBConfig\(endpoint_url=…\)",
        "set AWS_ENDPOINT_URL, or --endpoint-url",
    ),
    (r"endpoint_url of the profile", "the profile's endpoint URL"),
    (r"give DynamoDBConfig a session or keys", "pass --profile"),
    (r"region_name of DynamoDBConfig", "--region"),
    (r"name it in DynamoDBTableConfig", "pass --table"),
    (r"DynamoDBTableConfig\(enable_ttl=True, ttl_seconds=…\)", "EnableTtl and --ttl-seconds"),
    (r"max_checkpoint_bytes=(\S+)", r"the limit of \1 bytes"),
    (r"raise the limit in DynamoDBConfig", "read it in Python with a higher one"),
    (r"raise it in DynamoDBConfig for every process that", "raise it in every process that"),
    (r"set DynamoDBConfig\(allow_plaintext=True\)", "unset LANGGRAPH_AES_KEY to read it"),
    (r"pass SourceTable the bucket \(and key_prefix\)", "pass --bucket (and --key-prefix)"),
    (r"pass SourceTable a serde that reads it", "migrate it in Python with a serde that reads it"),
    (r"bucket or key_prefix", "--bucket or --key-prefix"),
    (r"table_name=(.*) or its ARN", r"--table \1"),  # commands describe TTL: see `table_name`
    (r"ttl_seconds to from_stack", "--ttl-seconds"),
    (r"force=True", "--force"),
    (r"deploy=True would call", "`deploy` would call"),
    (r"deploy=True", "`deploy`"),
    (r"(; see|, or) max_retries", ""),
    (r"call (\w+ )?again", "run the command again"),
    (r"call (?=\w+_\w+)", "run "),
    *((rf"\b{name}\b", f"`{one}`") for name, one in _COMMANDS.items()),
    (r"(\w+)\(\)", r"`\1`"),
    (r"BillingMode\.(?=[A-Z])", ""),
    (r", or None for [^:;,]*", ""),
    *((rf"\b{name}=", f"{option} ") for name, option in _OPTIONS.items()),
    *((rf"\b{name}\b", option) for name, option in _OPTIONS.items() if "_" in name),
    *((rf"\b{name}\b", one) for name, one in PARAMETERS.items() if "_" in name),
    (r"\benvironment(?=[=:])", "Environment"),
    (r"\b([A-Z]\w+)=True\b", r"\1=true"),
    (r"\b([A-Z]\w+)=False\b", r"\1=false"),
)
"""Patterns and what replaces them, in this order."""


def in_options(text: str) -> str:
    """A message with the names that the command line has for what it mentions."""
    for pattern, phrase in _PHRASES:
        text = re.sub(pattern, phrase, text)
    return text


def copying(table: str, layout: str) -> str:
    """The command that copies the threads of another saver's table."""
    return f"`langgraph-dynamodb migrate {table} --layout {layout} --table NEW`"
