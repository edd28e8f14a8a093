"""Orchard on a schedule, in Airflow: on EMR Serverless, and on a cluster of its own.

Airflow needs apache-airflow-providers-amazon and these variables, which `orchard cluster submit
--print-cli` and `orchard cluster up --print-cli` show in full:

    orchard_region           eu-west-3
    orchard_start_job_run    the JSON behind --cli-input-json of `submit --print-cli`
    orchard_run_job_flow     RunJobFlow's parameters as JSON; `orchard cluster up --backend ec2
                             --print-cli --as-json` prints them

Both paths end by themselves: the job run by executionTimeoutMinutes, the cluster by its steps, its
idle time and the clock that its bootstrap action sets. The DAGs wait longer than that, and end what
they have started when they fail: what nobody waits for is paid on.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from airflow.models import Variable
from airflow.providers.amazon.aws.operators.emr import (
    EmrCreateJobFlowOperator,
    EmrServerlessStartJobOperator,
    EmrTerminateJobFlowOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

QUEUE_MINUTES = 60  # of the stack's application, before a job run's own clock
START_MINUTES = 20  # of an application, or of nodes
WAITER_SECONDS = 15
LONGEST_MINUTES = 12 * 60  # what --timeout admits

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


class StartJob(EmrServerlessStartJobOperator):
    """Cancels the job run that it has started when it fails, whatever it fails of.

    Amazon's provider does so for its own waiter's limit, since its version 9; not for the rest.
    """

    def execute(self, context: Any, event: dict | None = None) -> str | None:
        try:
            return super().execute(context, event)
        except Exception:
            try:
                self.on_kill()
            except Exception:  # the first error is the one to tell
                self.log.exception("the job run %s could not be cancelled", self.job_id)
            raise


def cluster_minutes(flow: dict) -> int:
    """The clock of a cluster's nodes, from the bootstrap action that sets it."""
    for action in flow.get("BootstrapActions", ()):
        script = action["ScriptBootstrapAction"]
        if script["Path"].endswith("/stop_after.sh"):
            return int(script["Args"][0])
    return LONGEST_MINUTES


with DAG("orchard_serverless", **COMMON) as serverless:
    request = variable("orchard_start_job_run")
    minutes = request.get("executionTimeoutMinutes", LONGEST_MINUTES)
    StartJob(
        task_id="run",
        application_id=request.get("applicationId", ""),
        execution_role_arn=request.get("executionRoleArn", ""),
        job_driver=request.get("jobDriver", {}),
        configuration_overrides=request.get("configurationOverrides"),
        config={"executionTimeoutMinutes": minutes},
        region_name=REGION,
        wait_for_completion=True,
        waiter_delay=WAITER_SECONDS,
        waiter_max_attempts=math.ceil(
            (QUEUE_MINUTES + START_MINUTES + minutes) * 60 / WAITER_SECONDS
        ),
    )

with DAG("orchard_emr", **COMMON) as emr:
    flow = variable("orchard_run_job_flow")
    start = EmrCreateJobFlowOperator(
        task_id="start",
        job_flow_overrides=flow,
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
        timeout=(START_MINUTES + cluster_minutes(flow) + START_MINUTES) * 60,
    )
    # A teardown runs whatever happened to the sensor, and does not make its failure a success.
    end = EmrTerminateJobFlowOperator(
        task_id="end", job_flow_id=start.output, region_name=REGION
    ).as_teardown(setups=start)
    start >> ended >> end
