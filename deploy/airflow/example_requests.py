"""Print what the DAG's variables hold, for a stack of made-up ids: the DAG's test needs it."""

from __future__ import annotations

import json

from orchard.aws.account import Account
from orchard.aws.run_job_flow import run_job_flow, step
from orchard.aws.serverless import Serverless
from orchard.cloud.settings import ClusterConfig

REGION = "eu-west-3"
BUCKET = f"orchard-123456789012-{REGION}"
OUTPUTS = {
    "BucketName": BUCKET,
    "JobRoleArn": f"arn:aws:iam::123456789012:role/orchard-{REGION}-job",
    "SubnetId": "subnet-0123456789abcdef0",
    "PrimaryGroupId": "sg-0123456789abcdef0",
    "NodeGroupId": "sg-0123456789abcdef1",
}
URL, CODE = f"s3://{BUCKET}/jobs/weekly", f"s3://{BUCKET}/code/orchard.zip"

if __name__ == "__main__":
    ec2 = ClusterConfig(region=REGION, backend="ec2")
    work = step(ec2, OUTPUTS, URL, CODE, ends_cluster=True)
    backend = Serverless(Account(REGION), ClusterConfig(region=REGION), OUTPUTS)
    _, _, start = backend.request(URL, CODE, "APPLICATION", alone=True)
    flow = run_job_flow(ec2, OUTPUTS, [work])
    print(json.dumps({"orchard_start_job_run": start, "orchard_run_job_flow": flow}))
