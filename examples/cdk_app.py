"""A CDK app: the table in one stack, a function that uses it in another.

pip install "langgraph-checkpoint-amazon-dynamodb[infra]>=1.0"
cdk deploy --all --app "python examples/cdk_app.py"
"""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from langgraph_checkpoint_dynamodb import DynamoDBTableConfig
from langgraph_checkpoint_dynamodb.infra.cdk import DynamoDBCheckpointStack

app = cdk.App()

checkpoints = DynamoDBCheckpointStack(
    app,
    "Checkpoints",
    table_config=DynamoDBTableConfig(
        table_name="chats",
        environment="prod",
        enable_ttl=True,
        enable_point_in_time_recovery=True,
        enable_deletion_protection=True,
    ),
    create_policies=True,
    tags={"team": "assistants"},
)

service = cdk.Stack(app, "Service")
graph = lambda_.Function(
    service,
    "Graph",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="index.handler",
    # Your graph and its dependencies: lambda_.Code.from_asset("build").
    code=lambda_.Code.from_inline("def handler(event, context):\n    return event\n"),
    environment={"TABLE_NAME": checkpoints.table.table_name},
)
# The saver's own calls and no more. `checkpoints.table.grant_read_write_data(graph)` gives
# what CDK gives for any table, and is needed with a KMS key of your own.
graph.role.add_managed_policy(checkpoints.runtime_policy)

app.synth()
