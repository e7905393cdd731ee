"""A stand-in for tensorflow_model_server's REST interface, on loopback.

    python -m benchmarks.serving_rest saved_models/digits --port=8501

It answers predict, in the row and the column form, the model's status and its
metadata, for the newest version. As `benchmarks.serving_server`, whose model it
serves, it is not meant for production.
"""

import argparse
import base64
import binascii
import http.server
import json
import re

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import predict_pb2

from benchmarks import serving_server

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?"
    r"(?P<method>:predict|/metadata)?"
)
# gRPC code -> status, as the server translates them; others are 500.
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.NOT_FOUND: 404,
}


def answer(model, verb, path, body):
    """Answers one request.

    Args:
        model: `serving_server.ServedModel`.
        verb: "GET" or "POST".
        path: str, as in the request.
        body: bytes.

    Returns:
        (int, object): the status, and what the answer says in JSON.
    """
    found = _PATH.fullmatch(path)
    wanted = "POST" if found and found["method"] == ":predict" else "GET"
    if not found or verb != wanted:
        return 404, {"error": f"Malformed request: {verb} {path}"}
    try:
        spec = predict_pb2.PredictRequest().model_spec
        spec.name = found["name"]
        if found["version"]:
            spec.version.value = int(found["version"])
        model.check_model(spec)
        if found["method"] == ":predict":
            return 200, _predict(model, spec, body)
        if found["method"] == "/metadata":
            return 200, _metadata(model, spec)
        return 200, _status(model)
    except serving_server.RequestError as error:
        return _STATUS.get(error.code, 500), {"error": str(error)}


def _predict(model, spec, body):
    try:
        asked = json.loads(body)
        rows, columns = asked.get("instances"), asked.get("inputs")
        if (rows is None) == (columns is None):
            raise ValueError("one of 'instances' and 'inputs' is needed")
        name = asked.get("signature_name", serving_server.DEFAULT_SIGNATURE)
        specs = (
            model.signatures[name].inputs if name in model.signatures else {}
        )
        if rows is not None:
            columns = _columns(rows, specs)
        elif not isinstance(columns, dict):
            columns = {next(iter(specs), "inputs"): columns}
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.model_spec.signature_name = name
        for key, values in columns.items():
            dtype = specs[key].dtype if key in specs else None
            request.inputs[key].CopyFrom(_tensor(values, dtype))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        code = grpc.StatusCode.INVALID_ARGUMENT
        text = f"JSON does not fit the signature: {error}"
        raise serving_server.RequestError(code, text) from error
    outputs = {
        key: tf.make_ndarray(value).tolist()
        for key, value in model.predict(request).outputs.items()
    }
    if rows is None:
        single = next(iter(outputs.values()))
        return {"outputs": outputs if len(outputs) > 1 else single}
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    listed = [
        dict(zip(outputs, row, strict=True))
        for row in zip(*outputs.values(), strict=True)
    ]
    return {"predictions": listed}


def _columns(rows, specs):
    """Returns dict input name -> values of each row."""
    if not all(isinstance(row, dict) and "b64" not in row for row in rows):
        return {next(iter(specs), "inputs"): rows}
    if len({frozenset(row) for row in rows}) != 1:
        raise ValueError("every instance must have the same inputs")
    return {key: [row[key] for row in rows] for key in rows[0]}


def _tensor(values, dtype):
    if dtype == tf.string.as_datatype_enum:
        content = [_decoded(value) for value in values]
        return tf.make_tensor_proto(np.array(content, object), tf.string)
    # Of an unknown input the model says so itself.
    kind = None if dtype is None else tf.as_dtype(dtype)
    return tf.make_tensor_proto(np.array(values), kind)


def _decoded(value):
    if not isinstance(value, dict):
        return value.encode()
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"b64: {error}") from error


def _status(model):
    told = {"error_code": "OK", "error_message": ""}
    state = {"version": str(model.version), "state": "AVAILABLE"}
    return {"model_version_status": [{**state, "status": told}]}


def _metadata(model, spec):
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec)
    request.metadata_field.append("signature_def")
    return json_format.MessageToDict(
        model.metadata(request), preserving_proto_field_name=True
    )


def start(model, port=0):
    """Returns a server on 127.0.0.1 that `serve_forever` runs.

    Args:
        model: `serving_server.ServedModel`.
        port: int; 0 picks a free one, `server.server_port`.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            status, told = answer(model, self.command, self.path, body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer

        def log_message(self, *arguments):
            """Keeps the terminal quiet."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main():
    """Serves until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base_path", help="the model's folder of versions")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    arguments = parser.parse_args()
    tf.get_logger().setLevel("ERROR")
    model = serving_server.ServedModel(arguments.base_path)
    server = start(model, arguments.port)
    print(f"Serving {model.name} at 127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
