"""Drives a BMS on loopback with the official Python SDK, and prints what it saw as JSON.

Reads from stdin one JSON object: endpoint, access_key, secret_key, project, servers (IDs), batch.
Lists all servers, stops the given ones in batches, follows the jobs, lists again.
"""

import json
import sys
import time

from huaweicloudsdkbms.v1 import (
    BatchStopBaremetalServersRequest,
    BmsClient,
    ListBareMetalServerDetailsRequest,
    ListBareMetalServersRequest,
    OsStopBody,
    OsStopBodyType,
    ServersList,
    ShowJobInfosRequest,
)
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

PAGE = 1000


def client_for(task, secret_key):
    credentials = BasicCredentials(task["access_key"], secret_key, task["project"])
    return (
        BmsClient.new_builder()
        .with_credentials(credentials)
        .with_endpoint(task["endpoint"])
        .build()
    )


def all_pages(client):
    """Every server by ID, with its state; and the sizes of the pages."""
    servers, sizes, page = {}, [], 1
    while True:
        request = ListBareMetalServersRequest(limit=PAGE, offset=page)
        rows = client.list_bare_metal_servers(request).servers
        sizes.append(len(rows))
        for row in rows:
            servers[row.id] = {
                "name": row.name,
                "status": row.status,
                "task": row.os_ext_st_stask_state,
                "power": row.os_ext_st_spower_state,
                "vm_state": row.os_ext_st_svm_state,
                "locked": row.locked,
                "vcpus": row.flavor.vcpus,
            }
        if len(rows) < PAGE:
            return servers, sizes
        page += 1


def stop(client, ids):
    servers = [ServersList(id=server) for server in ids]
    body = OsStopBody(os_stop=OsStopBodyType(type="HARD", servers=servers))
    request = BatchStopBaremetalServersRequest(body=body)
    return client.batch_stop_baremetal_servers(request).job_id


def followed(client, job_id):
    """The job once it is final, and every status seen on the way."""
    statuses = []
    while True:
        job = client.show_job_infos(ShowJobInfosRequest(job_id=job_id))
        if job.status not in statuses:
            statuses.append(job.status)
        if job.status in ("SUCCESS", "FAIL"):
            break
        time.sleep(0.05)
    return {
        "id": job.job_id,
        "type": job.job_type,
        "statuses": statuses,
        "begin": job.begin_time,
        "end": job.end_time,
        "error_code": job.error_code,
        "total": job.entities.sub_jobs_total,
        "servers": {
            sub.entities.server_id: sub.status for sub in job.entities.sub_jobs
        },
    }


def error_of(call):
    """What the SDK makes of the error that `call` ends with."""
    try:
        call()
    except ClientRequestException as error:
        return {
            "status": error.status_code,
            "code": error.error_code,
            "has_message": bool(error.error_msg),
            "has_request_id": bool(error.request_id),
        }
    return None


def main():
    task = json.load(sys.stdin)
    client = client_for(task, task["secret_key"])
    ids, batch = task["servers"], task["batch"]
    before, pages = all_pages(client)
    batches = [ids[at : at + batch] for at in range(0, len(ids), batch)]
    job_ids = [stop(client, part) for part in batches]
    jobs = [followed(client, job_id) for job_id in job_ids]
    after, _ = all_pages(client)
    single = ListBareMetalServerDetailsRequest(server_id=ids[0])
    nobody = ListBareMetalServerDetailsRequest(server_id="nobody")
    stranger = client_for(task, "not-" + task["secret_key"])
    seen = {
        "pages": pages,
        "before": before,
        "after": after,
        "job_ids": job_ids,
        "jobs": jobs,
        "single": client.list_bare_metal_server_details(single).server.status,
        "errors": {
            "stopped_again": error_of(lambda: stop(client, ids[:1])),
            "no_servers": error_of(lambda: stop(client, [])),
            "unknown_server": error_of(
                lambda: client.list_bare_metal_server_details(nobody)
            ),
            "wrong_key": error_of(lambda: stop(stranger, ids[:1])),
        },
    }
    json.dump(seen, sys.stdout)


main()
