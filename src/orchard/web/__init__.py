"""The phone page and its API: the batch's own functions behind HTTP, with limits. No Spark.

    bytes ─limits─▶ image ─pool─▶ Prediction ─answers─▶ JSON in the asked language

Needs the `serve` extra: Starlette, uvicorn, python-multipart and prometheus-client.
"""
