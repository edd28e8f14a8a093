"""What moto's CloudFormation lacks or gets wrong, of what the stacks need."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.emr.models import SecurityConfiguration, emr_backends
from moto.emrserverless.models import emrserverless_backends
from moto.iam.models import SERVICE_NAME_CONVERSION
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse


class Application(CloudFormationModel):
    """What moto's CloudFormation lacks: a stack's application, in moto's own EMR Serverless."""

    def __init__(self, made: Any) -> None:
        self.made = made

    @property
    def physical_resource_id(self) -> str:
        return str(self.made.id)

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::EMRServerless::Application"

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Application:
        wanted = cloudformation_json["Properties"]
        backend = emrserverless_backends[account_id][region_name]
        return cls(
            backend.create_application(
                name=wanted["Name"],
                release_label=wanted["ReleaseLabel"],
                application_type=wanted["Type"],
                client_token="",
                initial_capacity=None,  # type: ignore[arg-type]
                maximum_capacity=wanted["MaximumCapacity"],
                tags={},
                auto_start_configuration="",
                auto_stop_configuration="",
                network_configuration=None,
            )
        )

    @classmethod
    def update_from_cloudformation_json(  # type: ignore[override]
        cls, original_resource: Any, *_: Any, **__: Any
    ) -> Any:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(  # type: ignore[override]
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        backend = emrserverless_backends[account_id][region_name]
        for made in backend.applications.values():
            if made.id == resource_name:
                backend.stop_application(made.id)
                backend.delete_application(made.id)


def _delete_routes(
    cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """moto's CloudFormation deletes no route tables, and then cannot delete their network."""
    backend = ec2_backends[account_id][region_name]
    backend.route_tables[resource_name].associations.clear()
    backend.delete_route_table(resource_name)


def _delete_encryption(
    cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """moto's CloudFormation looks for a security configuration by a name that is still a !Sub."""
    emr_backends[account_id][region_name].delete_security_configuration(resource_name)


# vCPUs by quota's code, as Service Quotas tells them: those that were raised, and AWS's defaults.
APPLIED_QUOTAS: dict[str, float] = {"L-1216C47A": 32.0, "L-34B43A08": 32.0}
DEFAULT_QUOTAS = {"L-D05C8A75": 16.0, "L-1216C47A": 5.0, "L-34B43A08": 5.0}


def _applied_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
    """moto knows VPC's quotas alone. Where none was raised, the service knows no applied one."""
    return _quota(APPLIED_QUOTAS, service_code, quota_code)


def _default_quota(self: Any) -> str:
    """moto does not answer this call."""
    asked = json.loads(self.body)
    found = _quota(DEFAULT_QUOTAS, asked["ServiceCode"], asked["QuotaCode"])
    return json.dumps({"Quota": found})


def _quota(known: dict[str, float], service: str, code: str) -> dict[str, Any]:
    if code not in known:
        raise NoSuchResource
    return {"ServiceCode": service, "QuotaCode": code, "Value": known[code]}


def fill() -> None:
    SERVICE_NAME_CONVERSION["spot"] = "EC2Spot"  # in the name of its role
    ServiceQuotasBackend.get_service_quota = _applied_quota  # type: ignore[method-assign]
    ServiceQuotasResponse.get_aws_default_service_quota = _default_quota  # type: ignore
    RouteTable.delete_from_cloudformation_json = classmethod(_delete_routes)  # type: ignore
    SecurityConfiguration.delete_from_cloudformation_json = classmethod(  # type: ignore
        _delete_encryption
    )


def be_silent() -> None:
    """moto warns of resource types that it does not know."""
    warnings.filterwarnings("ignore", "Tried to parse AWS::")


def serve() -> None:
    """Be moto's server: print its address, and end with standard input.

    In a process of its own, since delta-rs holds on to Python while it waits for an answer.
    """
    from moto.server import ThreadedMotoServer

    fill()
    be_silent()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)  # noqa: T201
    sys.stdin.read()
