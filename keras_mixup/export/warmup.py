"""Warm-up requests: TF Serving replays them before a version is served.

The first call of a signature is slow. The file moves it from the first client
to the start of the server.
"""

import warnings

import tensorflow as tf

WARMUP_FILE = "tf_serving_warmup_requests"


def write_warmup(path, model_name, requests):
    """Writes a TFRecord of one PredictionLog per request.

    Without tensorflow-serving-api it warns and writes nothing: the version is
    complete, but its first calls are slower.

    Args:
        path: path of the file.
        model_name: str, the name under which the server offers the model.
        requests: dict, signature name -> dict input name -> tensor.
    """
    try:
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        warnings.warn(
            "No warm-up requests are written, since tensorflow-serving-api "
            'is not installed. Run pip install "keras_mixup[serving]", or '
            "switch them off (warmup=False, --nowarmup)",
            stacklevel=2,
        )
        return
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                proto = tf.make_tensor_proto(value.numpy(), value.dtype)
                request.inputs[name].CopyFrom(proto)
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())
