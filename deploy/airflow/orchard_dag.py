"""Orchard on a schedule, in Airflow: on EMR Serverless, and on a cluster of its own.

Airflow needs apache-airflow-providers-amazon and these variables, which `orchard cluster submit
--print-cli` and `orchard cluster up --print-cli` show in full:

    orchard_region           eu-west-3
    orchard_start_job_run    the JSON behind --cli-input-json of `submit --print-cli`
    orchard_run_job_flow     RunJobFlow's parameters as JSON; `orchard cluster up --backend ec2
                             --print-cli --as-json` prints them

Both paths end by themselves: the job run by executionTimeoutMinutes, the cluster by its steps, its
idle time and the clock that its bootstrap action sets.
"""

from __future__ import annotations

import json
from datetime import datetime

from airflow.models import Variable
from airflow.providers.amazon.aws.operators.emr import (
    EmrCreateJobFlowOperator,
    EmrServerlessStartJobOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

REGION = Variable.get("orchard_region", default_var="eu-west-3")
COMMON = {
    "schedule": "@weekly",
    "start_date": datetime(2026, 1, 1),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"retries": 0},  # a second attempt is a second bill
    "tags": ["orchard"],
}


def variable(name: str) -> dict:
    return json.loads(Variable.get(name, default_var="{}"))


with DAG("orchard_serverless", **COMMON) as serverless:
    request = variable("orchard_start_job_run")
    EmrServerlessStartJobOperator(
        task_id="run",
        application_id=request.get("applicationId", ""),
        execution_role_arn=request.get("executionRoleArn", ""),
        job_driver=request.get("jobDriver", {}),
        configuration_overrides=request.get("configurationOverrides"),
        config={"executionTimeoutMinutes": request.get("executionTimeoutMinutes", 60)},
        region_name=REGION,
        wait_for_completion=True,
        waiter_delay=15,
    )

with DAG("orchard_emr", **COMMON) as emr:
    start = EmrCreateJobFlowOperator(
        task_id="start",
        job_flow_overrides=variable("orchard_run_job_flow"),
        emr_conn_id=None,  # everything is in the parameters
        region_name=REGION,
    )
    ended = EmrJobFlowSensor(
        task_id="ended",
        job_flow_id=start.output,
        target_states=["TERMINATED"],
        failed_states=["TERMINATED_WITH_ERRORS"],
        region_name=REGION,
        poke_interval=30,
        mode="reschedule",
        timeout=12 * 3600,
    )
    start >> ended
