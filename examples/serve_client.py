"""Sends clean and adversarial digits to a served model.

    python examples/serve_client.py 127.0.0.1:8500            # gRPC
    python examples/serve_client.py 127.0.0.1:8501 --rest

The server is TensorFlow Serving with a digits export (README, docs/serving.md)
or its stand-in, `python -m benchmarks.serving_server saved_models/digits
--port=8500`. This client needs no keras_mixup: REST wants NumPy alone, gRPC
`pip install tensorflow-serving-api`.

The adversarial digits are made here, of what the server says: ten steps of
projected gradient descent (L-infinity, --eps 0.1), the gradient by differences
of the undefended signature's logits, one request of 128 images a step. So the
attacker knows nothing of the defence; what an attacker reaches who does,
`keras-mixup evaluate` tells.
"""

import argparse
import contextlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.request

import numpy as np

# Three images of the digits test split, 8x8 pixels of 0 to 16.
DIGITS = {
    6: """
         0  0  0 12 13  0  0  0
         0  0  5 16  8  0  0  0
         0  0 13 16  3  0  0  0
         0  0 14 13  0  0  0  0
         0  0 15 12  7  2  0  0
         0  0 13 16 13 16  3  0
         0  0  7 16 11 15  8  0
         0  0  1  9 15 11  3  0
    """,
    9: """
         0  0 11 12  0  0  0  0
         0  2 16 16 16 13  0  0
         0  3 16 12 10 14  0  0
         0  1 16  1 12 15  0  0
         0  0 13 16  9 15  2  0
         0  0  0  3  0  9 11  0
         0  0  0  0  9 15  4  0
         0  0  9 12 13  3  0  0
    """,
    2: """
         0  0  0  1 14 14  3  0
         0  0  0 10 11 13  8  0
         0  0  0  7  0 13  8  0
         0  0  0  0  7 15  1  0
         0  4  8 12 15  4  0  0
         0  6 16 16  6  0  0  0
         0  0  2 12 12  4  2  0
         0  0  0  1 13 16  5  0
    """,
}
# The defended signature draws afresh for every row: one image, asked often.
ROWS = 10
TIMEOUT = 60


@contextlib.contextmanager
def start_up_notices_hidden():
    """Turns TensorFlow's notices away, which no setting silences."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


class RestClient:
    """TensorFlow Serving's REST interface, the row format.

    Args:
        address: str, host:port.
        model: str, the model's name.
    """

    def __init__(self, address, model):
        self._url = f"http://{address}/v1/models/{model}:predict"

    def predict(self, signature, image):
        """Returns a dict output name -> array.

        Args:
            signature: str.
            image: float32 [B, 8, 8, 1].
        """
        rows = [{"image": row.tolist()} for row in image]
        body = {"signature_name": signature, "instances": rows}
        request = urllib.request.Request(
            self._url,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                answers = json.load(response)["predictions"]
        except urllib.error.HTTPError as error:
            sys.exit(f"error: {self._url}: {error.read().decode()}")
        except (http.client.HTTPException, OSError) as error:
            # Nobody there, or no answer in time.
            sys.exit(f"error: {self._url}: {error}")
        except (KeyError, TypeError, ValueError):
            sys.exit(f"error: {self._url}: not TensorFlow Serving's answer")
        if not isinstance(answers[0], dict):
            # A signature with a single output answers without its name.
            return {"logits": np.array(answers, "float32")}
        return {
            key: np.array([answer[key] for answer in answers])
            for key in answers[0]
        }


class GrpcClient:
    """TensorFlow Serving's gRPC interface; arguments as for `RestClient`."""

    def __init__(self, address, model):
        import grpc

        with start_up_notices_hidden():
            from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._address = address
        self._model = model
        self._error = grpc.RpcError
        channel = grpc.insecure_channel(address)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def predict(self, signature, image):
        """Returns a dict output name -> array."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(image))
        try:
            response = self._stub.Predict(request, timeout=TIMEOUT)
        except self._error as error:
            sys.exit(f"error: {self._address}: {error.details()}")
        return {k: tf.make_ndarray(v) for k, v in response.outputs.items()}


def make_adversarial(client, image, label, eps, steps=10, width=0.01):
    """Returns the image moved by at most eps, and the images it asked for.

    Args:
        client: with `predict`.
        image: float32 [8, 8, 1] in [0, 1].
        label: int, the label to lead away from.
        eps: float, the largest change of a pixel.
        steps: int, the budget: two requests of an image per pixel (64 rows,
            the largest batch that the exported batching file admits).
        width: float, how far a pixel is moved to see its effect.
    """
    pixels = width * np.eye(image.size, dtype="float32")
    pixels = pixels.reshape(-1, *image.shape)
    moved = image
    for _ in range(steps):
        probes = np.concatenate([moved + pixels, moved - pixels])
        # A served model may refuse, or clip, what is no image.
        probes = np.clip(probes, 0.0, 1.0)
        up, down = (
            cross_entropy(client.predict("undefended", half), label)
            for half in np.split(probes, 2)
        )
        slope = (up - down).reshape(image.shape)
        moved = moved + 2.5 * eps / steps * np.sign(slope)
        moved = np.clip(moved, image - eps, image + eps)
        moved = np.clip(moved, 0.0, 1.0).astype("float32")
    return moved, steps * 2 * image.size


def cross_entropy(answer, label):
    """Returns float64 [B] of the undefended signature's answer."""
    logits = answer["logits"].astype("float64")
    highest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return total - logits[:, label]


def describe(client, name, image):
    """Returns a line: what both signatures say to the image."""
    rows = np.repeat(image[None], ROWS, axis=0)
    answer = client.predict("serving_default", rows)
    labels, counts = np.unique(answer["label"], return_counts=True)
    votes = sorted(zip(counts, labels, strict=True), reverse=True)
    defended = ", ".join(f"{label} x{count}" for count, label in votes)
    bare = client.predict("undefended", image[None])["logits"].argmax()
    return f"{name:15}  {bare:10d}  {defended}"


def main():
    """Prints what the defended and the bare signature say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="host:port of the server")
    parser.add_argument("--model", default="digits", help="name of the model")
    parser.add_argument("--rest", action="store_true", help="REST, not gRPC")
    parser.add_argument("--eps", type=float, default=0.1)
    arguments = parser.parse_args()
    kind = RestClient if arguments.rest else GrpcClient
    client = kind(arguments.address, arguments.model)
    print(f"digit            undefended  defended, asked {ROWS} times")
    for label, text in DIGITS.items():
        clean = np.array(text.split(), "float32").reshape(8, 8, 1) / 16.0
        moved, asked = make_adversarial(client, clean, label, arguments.eps)
        print(describe(client, f"{label}, clean", clean))
        print(describe(client, f"{label}, adversarial", moved))
    print(f"Each was moved by at most {arguments.eps:g}, with {asked} queries.")


if __name__ == "__main__":
    main()
