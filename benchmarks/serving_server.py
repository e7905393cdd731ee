"""A stand-in for tensorflow_model_server: its gRPC protocol, on loopback.

    python -m benchmarks.serving_server saved_models/digits --port=8500

It loads the newest version of a model's folder, replays its warm-up requests
and answers Predict and GetModelMetadata of TensorFlow Serving's
PredictionService. Tests, load figures and examples/serve_client.py talk to it
as they would to the real server, which needs a container image. As there, the
SavedModel runs in a session of its own, without Keras and without keras_mixup.
It has no batching, no REST, no reloading, no access control, and listens on
127.0.0.1 alone: it is not meant for production.
"""

import argparse
import concurrent.futures
import pathlib
import sys

import grpc
import tensorflow as tf
from google.protobuf import message as message_lib
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

WARM_UP = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
# The real server refuses to load a model with more.
MAX_WARM_UP = 1000
DEFAULT_SIGNATURE = "serving_default"


class RequestError(Exception):
    """An error of a request: a gRPC status code and a text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class ServedModel:
    """The newest version of a model's folder, loaded as the server does.

    Args:
        base_path: folder with integer version folders; its name is the
            model's name.

    Attributes:
        name: str, the model's name.
        version: int, the version that is served.
        signatures: dict, signature name -> SignatureDef.
        warm_up_requests: int, how many requests were replayed.
    """

    def __init__(self, base_path):
        path = newest_version(base_path)
        self.name = path.parent.name
        self.version = int(path.name)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(path)
            )
        self.signatures = dict(loaded.signature_def)
        self.warm_up_requests = self._replay(path / WARM_UP)

    def predict(self, request):
        """Returns the PredictResponse to a PredictRequest."""
        self.check_model(request.model_spec)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        signature = self.signatures[name]
        feeds = _feeds(signature.inputs, request.inputs)
        fetches = _fetches(signature.outputs, request.output_filter)
        answers = self._run(fetches, feeds)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = name
        for key, value in answers.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def metadata(self, request):
        """Returns the GetModelMetadataResponse: the signatures."""
        self.check_model(request.model_spec)
        for field in request.metadata_field:
            if field != "signature_def":
                raise RequestError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Metadata field {field} is not supported",
                )
        table = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signatures.items():
            entry = meta_graph_pb2.SignatureDef()
            entry.CopyFrom(signature)
            table.signature_def[name].CopyFrom(entry)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].Pack(table)
        return response

    def check_model(self, spec):
        """Raises NOT_FOUND for another model or another version."""
        version = spec.version.value if spec.HasField("version") else None
        if spec.name == self.name and version in (None, self.version):
            return
        which = "Latest" if version is None else "Specific"
        asked = spec.name if version is None else f"{spec.name}, {version}"
        raise RequestError(
            grpc.StatusCode.NOT_FOUND,
            f"Servable not found for request: {which}({asked})",
        )

    def _run(self, fetches, feeds):
        try:
            return self._session.run(fetches, feeds)
        except tf.errors.OpError as error:
            code = grpc.StatusCode.UNKNOWN
            for candidate in grpc.StatusCode:
                if candidate.value[0] == error.error_code:
                    code = candidate
            raise RequestError(code, error.message) from error
        except (TypeError, ValueError) as error:
            # The session's own check of the shapes that it is fed.
            code = grpc.StatusCode.INVALID_ARGUMENT
            raise RequestError(code, str(error)) from error

    def _replay(self, path):
        """Answers the recorded requests; a failing one stops the start."""
        if not path.is_file():
            return 0
        count = 0
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
            if count > MAX_WARM_UP:
                raise ValueError(f"{path} has over {MAX_WARM_UP} requests")
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise ValueError(f"{path}: record {count} is no predict_log")
            request = log.predict_log.request
            # The real server overwrites what the record says here, too.
            request.model_spec.name = self.name
            request.model_spec.ClearField("version")
            try:
                self.predict(request)
            except RequestError as error:
                text = f"{path}: request {count} fails: {error}"
                raise RequestError(error.code, text) from error
        return count


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The service around one `ServedModel`; all other methods are refused."""

    def __init__(self, model):
        self._model = model

    def Predict(self, request, context):
        """Answers a PredictRequest."""
        return _answer(self._model.predict, request, context)

    def GetModelMetadata(self, request, context):
        """Answers a GetModelMetadataRequest."""
        return _answer(self._model.metadata, request, context)


def _answer(method, request, context):
    try:
        return method(request)
    except RequestError as error:
        context.abort(error.code, str(error))


def _feeds(specs, tensors):
    """Returns tensor name -> array; refuses other names and dtypes."""
    missing, extra = set(specs) - set(tensors), set(tensors) - set(specs)
    if missing or extra:
        raise RequestError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "input keys do not match signature: "
            f"Sent extra: {_names(extra)}. "
            f"Missing but required: {_names(missing)}.",
        )
    feeds = {}
    for position, (key, spec) in enumerate(sorted(specs.items())):
        if tensors[key].dtype != spec.dtype:
            # A session fed from Python would convert it; the server refuses.
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Expects arg[{position}] to be "
                f"{tf.as_dtype(spec.dtype).name} but "
                f"{tf.as_dtype(tensors[key].dtype).name} is provided",
            )
        try:
            feeds[spec.name] = tf.make_ndarray(tensors[key])
        except (TypeError, ValueError) as error:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT, str(error)
            ) from error
    return feeds


def _fetches(specs, wanted):
    for key in wanted:
        if key not in specs:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {key}",
            )
    return {key: specs[key].name for key in (wanted or specs)}


def _names(keys):
    return "{" + ",".join(sorted(keys)) + "}"


def newest_version(base_path):
    """Returns the path of the largest integer folder in `base_path`."""
    base_path = pathlib.Path(base_path).resolve()
    names = base_path.iterdir() if base_path.is_dir() else ()
    found = [path for path in names if path.name.isdecimal()]
    if not found:
        raise FileNotFoundError(f"No servable version in {base_path}")
    return max(found, key=lambda path: int(path.name))


def start(model, port=0, threads=16):
    """Starts answering on 127.0.0.1.

    Args:
        model: `ServedModel`.
        port: int; 0 picks a free one.
        threads: int, requests answered at the same time.

    Returns:
        (server, port); `server.stop(None)` ends it.
    """
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    # One port, one server: a second one on the same port is an error.
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(pool, options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(model), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def main():
    """Serves until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base_path", help="the model's folder of versions")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--threads", type=int, default=16)
    arguments = parser.parse_args()
    # The loader of sessions calls itself deprecated at every start.
    tf.get_logger().setLevel("ERROR")
    try:
        model = ServedModel(arguments.base_path)
        server, port = start(model, arguments.port, arguments.threads)
    except (
        OSError,
        RequestError,
        RuntimeError,
        ValueError,
        message_lib.DecodeError,
        tf.errors.OpError,
    ) as error:
        sys.exit(f"error: {error}")
    print(
        f"Serving {model.name}, version {model.version}, after "
        f"{model.warm_up_requests} warm-up requests, at 127.0.0.1:{port}",
        flush=True,
    )
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        server.stop(None)


if __name__ == "__main__":
    main()
