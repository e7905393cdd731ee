"""A real gRPC client against the export behind TF Serving's protocol."""

import pathlib
import re
import subprocess
import sys
import threading

import export_toys as toys
import numpy as np
import pytest
import tensorflow as tf

grpc = pytest.importorskip("grpc")
pytest.importorskip(
    "tensorflow_serving", reason='pip install "keras_mixup[serving]"'
)

from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from benchmarks import serving_server
from keras_mixup import export

ROOT = pathlib.Path(__file__).parent.parent.parent
TIMEOUT = 30


@pytest.fixture(scope="module")
def defence():
    return toys.DEFENCES["ol"]()


@pytest.fixture(scope="module")
def base_path(defence, tmp_path_factory):
    base = tmp_path_factory.mktemp("saved_models") / "toy"
    export.export_saved_model(defence, base)
    return base


@pytest.fixture(scope="module")
def model(base_path):
    return serving_server.ServedModel(base_path)


@pytest.fixture(scope="module")
def stub(model):
    server, port = serving_server.start(model)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
    server.stop(None)


def make_request(signature=None, name="toy", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    if signature:
        request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def predict(stub, signature=None, **inputs):
    response = stub.Predict(make_request(signature, **inputs), timeout=TIMEOUT)
    return {k: tf.make_ndarray(v) for k, v in response.outputs.items()}


def failure(stub, request):
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request, timeout=TIMEOUT)
    return raised.value.code(), raised.value.details()


@pytest.mark.parametrize("rows", [1, 5])
def test_undefended_is_the_classifier(stub, defence, rows):
    images = toys.images(rows)
    received = predict(stub, "undefended", image=images)["logits"]
    expected = defence.classifier(images, training=False).numpy()
    difference = np.abs(received - expected).max()
    print(f"gRPC, undefended, batch {rows}: max difference {difference:.1e}")
    assert difference <= 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("rows", [1, 5])
def test_seeded_is_the_layer(stub, defence, rows):
    images, seeds = toys.images(rows), toys.seeds(rows)
    answer = predict(stub, "seeded", image=images, seed=seeds)
    expected = np.exp(defence(images, seed=seeds))
    difference = np.abs(answer["probabilities"] - expected).max()
    print(f"gRPC, seeded, batch {rows}: max difference {difference:.1e}")
    assert difference <= 1e-6
    np.testing.assert_array_equal(answer["label"], expected.argmax(-1))


def test_indices_is_the_layer(stub, defence):
    images = toys.images(3)
    draws = defence.draw(images, toys.seeds(3))
    rows = draws["indices"].numpy()
    answer = predict(stub, "indices", image=images, indices=rows)
    expected = np.exp(defence.predict_from_draws(images, draws))
    difference = np.abs(answer["probabilities"] - expected).max()
    print(f"gRPC, indices: max difference {difference:.1e}")
    assert difference <= 1e-6


def test_encoded_images_are_decoded(stub):
    files, _ = toys.pngs(toys.images(2))
    # Draws differ from call to call: look at shapes, and at what is refused.
    answer = predict(stub, "encoded_images", image_bytes=files)
    assert answer["probabilities"].shape == (2, toys.CLASSES)
    for other in (b"text", b"GIF89a", b""):
        given = np.array([files[0], other])
        request = make_request("encoded_images", image_bytes=given)
        code, text = failure(stub, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "`image_bytes` must be JPEG or PNG files" in text
        assert "these rows are not:] [1]" in text


def test_encoded_images_are_what_the_layer_sees(tmp_path):
    defence = toys.drawless()
    export.export_saved_model(
        defence, tmp_path / "toy", signatures=("encoded_images",)
    )
    model = serving_server.ServedModel(tmp_path / "toy")
    server, port = serving_server.start(model)
    files, images = toys.pngs(toys.images(5))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = predict(stub, "encoded_images", image_bytes=files)
    server.stop(None)
    expected = np.exp(defence(images, seed=0))
    difference = np.abs(answer["probabilities"] - expected).max()
    print(f"gRPC, encoded_images: max difference {difference:.1e}")
    assert difference <= 1e-6
    # Otherwise any constant would do.
    assert np.ptp(expected, axis=0).max() > 1e-3


def test_detector_answers_for_each_row(tmp_path):
    defence = toys.DEFENCES["combined"]()
    export.export_saved_model(defence, tmp_path / "toy")
    model = serving_server.ServedModel(tmp_path / "toy")
    image, seed = toys.images(3), toys.seeds(3)
    response = model.predict(make_request("seeded", image=image, seed=seed))
    answer = {k: tf.make_ndarray(v) for k, v in response.outputs.items()}
    logits = defence.classify(tf.constant(image))
    draws = defence.draw(image, seed, logits)
    expected, score = defence.predict_with_score(image, draws, logits)
    np.testing.assert_allclose(answer["score"], score, atol=1e-6)
    np.testing.assert_allclose(
        answer["probabilities"], np.exp(expected), atol=1e-6
    )
    np.testing.assert_array_equal(
        answer["is_adversarial"], answer["score"] > answer["threshold"]
    )
    answer = model.predict(make_request("detect", image=image)).outputs
    assert {tf.make_ndarray(v).shape for v in answer.values()} == {(3,)}


def test_empty_batch_gives_an_empty_answer(stub):
    answer = predict(stub, "undefended", image=toys.images(0))
    assert answer["logits"].shape == (0, toys.CLASSES)
    answer = predict(stub, image=toys.images(0))
    assert answer["probabilities"].shape == (0, toys.CLASSES)


def test_nan_and_rows_outside_the_pool_are_refused(stub):
    image = toys.images(2)
    image[1, 0, 0, 0] = np.nan
    for signature in ("undefended", "serving_default"):
        code, text = failure(stub, make_request(signature, image=image))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "`image` must be finite and in [0, 1]" in text
    rows = np.full((1, 3), toys.POOL_ROWS, "int32")
    request = make_request("indices", image=toys.images(1), indices=rows)
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "`indices` must be rows of the pool, in [0, 8]" in text


def test_the_signature_left_out_is_the_defended_one(stub):
    # Two calls draw the same rows of so small a pool about once in 30 times
    # for one image, never in practice for 64.
    image = toys.images(64)
    answers = [predict(stub, image=image) for _ in range(2)]
    assert set(answers[0]) >= {"probabilities", "label"}
    first, second = (answer["probabilities"] for answer in answers)
    assert np.abs(first - second).max() > 1e-4


def test_response_says_which_version_answered(stub):
    response = stub.Predict(make_request(image=toys.images(1)), timeout=TIMEOUT)
    assert response.model_spec.name == "toy"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"


def test_output_filter_picks_outputs(stub):
    request = make_request(image=toys.images(2))
    request.output_filter.append("label")
    response = stub.Predict(request, timeout=TIMEOUT)
    assert list(response.outputs) == ["label"]
    request.output_filter.append("typo")
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "output tensor alias not found in signature: typo" in text


def test_unknown_signature_is_refused(stub):
    request = make_request("typo", image=toys.images(1))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == 'Serving signature key "typo" not found.'


@pytest.mark.parametrize("shape", [(1, 5, 4, 1), (1, 4, 4, 3), (4, 4, 1)])
def test_wrong_shape_gives_tensorflows_error(stub, shape):
    request = make_request(image=np.zeros(shape, "float32"))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert f"Cannot feed value of shape {shape}" in text
    assert "(None, 4, 4, 1)" in text


def test_wrong_dtype_is_refused(stub):
    request = make_request(image=np.zeros((1, 4, 4, 1), "uint8"))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert text == "Expects arg[0] to be float32 but uint8 is provided"


def test_error_of_the_graph_reaches_the_client(stub):
    # One seed for two images: no check of names, dtypes or ranks sees it.
    request = make_request("seeded", image=toys.images(2), seed=toys.seeds(1))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert re.search("seed|shape|size", text, re.IGNORECASE), text


def test_missing_and_extra_inputs_are_named(stub):
    request = make_request("seeded", image=toys.images(1), sed=toys.seeds(1))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "Sent extra: {sed}" in text
    assert "Missing but required: {seed}" in text


def test_tensor_with_too_few_bytes_is_refused(stub):
    request = make_request(image=toys.images(2))
    tensor = request.inputs["image"]
    tensor.tensor_content = tensor.tensor_content[:-4]
    code, _ = failure(stub, request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT


def test_other_models_and_versions_are_not_found(stub):
    request = make_request(name="another", image=toys.images(1))
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.NOT_FOUND
    assert text == "Servable not found for request: Latest(another)"
    request = make_request(image=toys.images(1))
    request.model_spec.version.value = 7
    code, text = failure(stub, request)
    assert code == grpc.StatusCode.NOT_FOUND
    assert "Specific(toy, 7)" in text


def test_concurrent_clients_get_draws_of_their_own(tmp_path):
    # Noise, as two draws out of a small pool may coincide by chance.
    export.export_saved_model(toys.DEFENCES["noise"](), tmp_path / "toy")
    model = serving_server.ServedModel(tmp_path / "toy")
    server, port = serving_server.start(model, threads=8)
    # Four rows: rounding makes two of many answers to one row equal.
    image, found = toys.images(4), []

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            for _ in range(25):
                answer = predict(stub, image=image)["probabilities"]
                found.append(answer.tobytes())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.stop(None)
    print(f"{len(set(found))} distinct answers of {len(found)}")
    assert len(set(found)) == len(found) == 200


def test_metadata_lists_the_signatures(stub, base_path):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "toy"
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request, timeout=TIMEOUT)
    table = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(table)
    described = export.describe_saved_model(base_path / "1").signatures
    assert set(described) <= set(table.signature_def)
    inputs, outputs = described["seeded"]
    assert set(table.signature_def["seeded"].inputs) == set(inputs)
    assert set(table.signature_def["seeded"].outputs) == set(outputs)
    request.metadata_field.append("typo")
    with pytest.raises(grpc.RpcError, match="typo is not supported"):
        stub.GetModelMetadata(request, timeout=TIMEOUT)


def test_the_exports_own_warm_up_is_replayed(model, base_path):
    described = export.describe_saved_model(base_path / "1").signatures
    assert model.warm_up_requests == len(described)


def write_warm_up(version, requests):
    folder = version / "assets.extra"
    folder.mkdir(exist_ok=True)
    path = str(folder / "tf_serving_warmup_requests")
    with tf.io.TFRecordWriter(path) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


@pytest.fixture
def plain_base(tmp_path):
    base = tmp_path / "plain"
    export.export_saved_model(toys.classifier(), base)
    return base


def test_warm_up_requests_are_replayed(plain_base):
    image = toys.images(1)
    write_warm_up(
        plain_base / "1",
        [
            make_request("undefended", name="any", image=image),
            make_request(name="any", image=image),
        ],
    )
    assert serving_server.ServedModel(plain_base).warm_up_requests == 2


def test_failing_warm_up_stops_the_start(plain_base):
    write_warm_up(
        plain_base / "1", [make_request("typo", image=toys.images(1))]
    )
    with pytest.raises(serving_server.RequestError, match="typo"):
        serving_server.ServedModel(plain_base)


def test_a_start_that_fails_is_one_line(plain_base, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["serving_server", str(plain_base)])
    # Otherwise it would serve for ever.
    monkeypatch.setattr(
        serving_server, "start", lambda *arguments: pytest.fail("started")
    )
    path = plain_base / "1"
    write_warm_up(path, [make_request("typo", image=toys.images(1))])
    with pytest.raises(SystemExit, match="^error: .*request 1 fails: .*typo"):
        serving_server.main()
    (path / "assets.extra" / "tf_serving_warmup_requests").write_text(
        "no record" * 9
    )
    with pytest.raises(SystemExit, match="^error: "):
        serving_server.main()
    (path / "variables" / "variables.index").unlink()
    with pytest.raises(SystemExit, match="^error: "):
        serving_server.main()
    (path / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(SystemExit, match="^error: "):
        serving_server.main()


def test_newest_version_is_the_largest_number(plain_base):
    for name in ("9", "10", ".incoming-11", "notes"):
        (plain_base / name).mkdir()
    path = serving_server.newest_version(plain_base)
    assert path.name == "10"


def test_folder_without_a_version_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No servable version in"):
        serving_server.ServedModel(tmp_path)


def test_command_serves_until_it_is_ended(base_path, defence):
    command = [sys.executable, "-m", "benchmarks.serving_server"]
    process = subprocess.Popen(
        [*command, str(base_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert "Serving toy, version 1" in line
        address = line.split()[-1]
        with grpc.insecure_channel(address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            images, seeds = toys.images(3), toys.seeds(3)
            answer = predict(stub, "seeded", image=images, seed=seeds)
    finally:
        process.kill()
        process.communicate()
    expected = np.exp(defence(images, seed=seeds))
    difference = np.abs(answer["probabilities"] - expected).max()
    print(f"another process, seeded: max difference {difference:.1e}")
    assert difference <= 1e-6
