"""Uses the scGPT agent from Python, with Temporal's own SDK and nothing of Troupe: starts workflows by their names,
follows one by queries, reads results, and tells errors apart by their types.

usage: interop.py ADDRESS CELLS.h5ad OUT.h5ad

A server listens at ADDRESS and a worker of the agent is on scgpt-tasks, whose roots hold both files.
"""

import asyncio
import json
import os
import sys
import uuid

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

QUEUE = "scgpt-tasks"


def cause(error):
    """The innermost application error: its type is Troupe's class."""
    found = None
    while error is not None:
        if isinstance(error, ApplicationError):
            found = error
        error = error.__cause__
    return found


async def start(client, workflow, request):
    return await client.start_workflow(workflow, request, id=f"interop-{uuid.uuid4().hex[:8]}", task_queue=QUEUE)


async def analysis(client, cells, out):
    handle = await start(client, "ScGPTAnalysisWorkflow", {"expression_data": cells, "out": out, "shard_cells": 50})
    result = await handle.result()
    assert result["status"] == "complete", result
    annotation = result["annotation"]
    assert annotation["cells"] == sum(annotation["counts"].values()) == 200, annotation
    assert len(annotation["unique_types"]) == 10
    assert round(annotation["truth"]["accuracy"], 3) == 0.815
    assert annotation["out"] == out
    assert annotation["from_memo"] is False
    assert result["metadata"]["workflow_id"] == handle.id
    assert result["metadata"]["shards"] == 4
    assert len(result["gene_embeddings"]["vectors"]) == len(result["gene_embeddings"]["genes"])
    assert await handle.query("status") == "complete"
    progress = await handle.query("progress")
    assert progress["cells_done"] == progress["cells_total"] == 200, progress
    return result


async def operations(client, cells, out):
    genes = await (await start(client, "ScGPTGeneEmbeddingWorkflow", {"genes": ["CD3D", "LYZ"], "include_similarity": True})).result()
    assert genes["genes"] == ["CD3D", "LYZ"]
    assert abs(genes["similarity"][0][0] - 1) < 1e-6
    labels = await (await start(client, "ScGPTAnnotationWorkflow", {"expression_data": cells, "out": out, "reference_dataset": "pbmc68k"})).result()
    assert labels["method"] == "reference" and labels["reference_dataset"] == "pbmc68k"
    embedded = await (await start(client, "ScGPTCellEmbeddingWorkflow", {"expression_data": cells, "out": out})).result()
    assert embedded["dim"] == 64


async def failures(client, cells):
    cases = [
        ("FileNotFoundError", {"expression_data": cells + ".none"}),
        ("ModelNotFoundError", {"expression_data": cells, "model": "scGPT_mouse"}),
        ("InvalidDataError", {"expression_data": cells, "out": cells}),
        ("InvalidDataError", {"expression_data": cells, "max_shards_in_flight": -1}),
        ("InvalidDataError", {}),
        ("InvalidDataError", ["not", "an", "object"]),
    ]
    for want, request in cases:
        handle = await start(client, "ScGPTAnalysisWorkflow", request)
        try:
            await handle.result()
        except WorkflowFailureError as error:
            app = cause(error)
            assert app is not None and app.type == want, (request, error, app)
            assert app.non_retryable, app
        else:
            raise AssertionError(f"{request} was accepted")


async def termination(client, cells):
    # No worker is on the queue: the workflow waits.
    handle = await client.start_workflow(
        "ScGPTAnalysisWorkflow", {"expression_data": cells}, id=f"interop-{uuid.uuid4().hex[:8]}", task_queue="interop-nobody"
    )
    await handle.terminate("the test is over")
    try:
        await handle.result()
    except WorkflowFailureError:
        pass
    else:
        raise AssertionError("a workflow without a worker has a result")


async def main(address, cells, out):
    client = await Client.connect(address)
    result = await analysis(client, cells, out)
    await operations(client, cells, out)
    await failures(client, cells)
    await termination(client, cells)
    print(json.dumps({k: result["annotation"][k] for k in ("cells", "unique_types", "mean_confidence", "device")}))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
    # The SDK's client cannot be closed, and its native threads run on while the interpreter is taken down under them,
    # which now and then ends in a segmentation fault (temporalio/sdk-python#300). All has been checked: end without that.
    sys.stdout.flush()
    os._exit(0)
