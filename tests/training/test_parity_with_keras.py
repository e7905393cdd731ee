"""Each feature of `keras.Model.fit` under ERM: the weights of stock Keras.

Both start from the same weights and see the same batches.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from keras_mixup import training

IMAGES, LABELS = toys.data(20)
VALIDATION = toys.data(9, seed=1)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
layers = keras.layers


def functional():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(toys.SHAPE)
    hidden = layers.Dense(4, activation="tanh")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(toys.CLASSES)(hidden))


def normalized(**options):
    keras.utils.set_random_seed(0)
    dense = layers.Dense(6, name="first")
    norm = layers.BatchNormalization()
    last = layers.Dense(toys.CLASSES, **options)
    parts = [layers.Flatten(), dense, norm, layers.ReLU(), last]
    return keras.Sequential([keras.Input(toys.SHAPE), *parts])


@keras.saving.register_keras_serializable("keras_mixup_tests")
class Parity(keras.Model):
    """A subclassed model."""

    def __init__(self):
        super().__init__()
        self.flatten = layers.Flatten()
        self.head = layers.Dense(toys.CLASSES, kernel_initializer="ones")

    def call(self, images):
        return self.head(self.flatten(images))


def frozen():
    model = normalized()
    model.get_layer("first").trainable = False
    return model


def constrained():
    return normalized(kernel_constraint=keras.constraints.MaxNorm(0.1))


def backbone():
    keras.utils.set_random_seed(0)
    size = (32, 32, 3)
    options = {"include_top": False, "pooling": "avg", "alpha": 0.35}
    net = keras.applications.MobileNetV2(size, weights=None, **options)
    inputs = keras.Input(toys.SHAPE)
    grown = layers.Resizing(32, 32)(layers.Concatenate()([inputs] * 3))
    net.trainable = False
    return keras.Model(inputs, layers.Dense(toys.CLASSES)(net(grown)))


class Batches(keras.utils.PyDataset):
    """The images in batches of 4."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return IMAGES[rows], LABELS[rows]


def stream():
    while True:
        yield from Batches()


def dataset():
    pairs = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    return pairs.batch(4)


ARRAYS = {"x": IMAGES, "y": LABELS, "batch_size": 4}
# name -> the arguments of fit, made anew for each of both.
DATA = {
    "arrays": lambda: ARRAYS,
    "a short last batch": lambda: {**ARRAYS, "batch_size": 8},
    "tensors": lambda: {**ARRAYS, "x": tf.constant(IMAGES)},
    "tf.data": lambda: {"x": dataset()},
    "an endless tf.data": lambda: {
        "x": dataset().repeat(),
        "steps_per_epoch": 5,
    },
    "PyDataset": lambda: {"x": Batches()},
    "generator": lambda: {"x": stream(), "steps_per_epoch": 5},
    "validation_split": lambda: {**ARRAYS, "validation_split": 0.25},
    "validation_data": lambda: {**ARRAYS, "validation_data": VALIDATION},
    "validation of tf.data": lambda: {
        **ARRAYS,
        "validation_data": dataset(),
        "validation_steps": 2,
        "validation_freq": 2,
    },
    "initial_epoch": lambda: {**ARRAYS, "initial_epoch": 1},
    "shuffle": lambda: {**ARRAYS, "shuffle": True},
}
optimizers = keras.optimizers


def sgd(**options):
    return lambda: optimizers.SGD(0.2, momentum=0.9, **options)


OPTIMIZERS = {
    "SGD": sgd(),
    "Adam": lambda: optimizers.Adam(0.05),
    "AdamW": lambda: optimizers.AdamW(0.05, weight_decay=0.1),
    "use_ema": sgd(use_ema=True, ema_momentum=0.7),
    "use_ema each 2 steps": sgd(use_ema=True, ema_overwrite_frequency=2),
    "gradient accumulation": sgd(gradient_accumulation_steps=2),
    "clipnorm": sgd(clipnorm=0.05),
    "global_clipnorm": sgd(global_clipnorm=0.05),
    "clipvalue": sgd(clipvalue=0.01),
    "weight_decay": sgd(weight_decay=0.05),
    "loss scale": sgd(loss_scale_factor=8.0),
    "schedule": lambda: optimizers.SGD(
        optimizers.schedules.CosineDecay(0.3, 8)
    ),
    "dynamic loss scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.2), initial_scale=64.0, dynamic_growth_steps=2
    ),
}
MODELS = {
    "functional": functional,
    "BatchNormalization": normalized,
    "subclassed": Parity,
    "frozen layer": frozen,
    "constraint": constrained,
}


def compiled(network=functional, optimizer=OPTIMIZERS["SGD"]):
    """Stock Keras' model and ERM, from the same start."""
    stock, ours = network(), training.ERM(network())
    stock.compile(optimizer(), LOSS, metrics=["accuracy"])
    ours.compile(optimizer())
    return stock, ours


def fit(models, arguments, epochs=1):
    """Trains both; returns (stock model, its history), (classifier, ...)."""
    found = []
    for model in models:
        given = {"shuffle": False, "epochs": epochs, "verbose": 0}
        keras.utils.set_random_seed(7)
        history = model.fit(**{**given, **arguments()}).history
        found.append((getattr(model, "classifier", model), history))
    return found


@pytest.fixture(scope="module")
def traced():
    """Both models; tracing them costs more than training them."""
    models = compiled()
    starts = []
    for model in models:
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        starts += [(variable, variable.numpy()) for variable in variables]
    return models, starts


@pytest.fixture
def models(traced):
    """Both models at their start."""
    for variable, value in traced[1]:
        variable.assign(value)
    return traced[0]


def check(found, atol=2e-6):
    (stock, expected), (ours, history) = found
    assert set(history) == set(expected)
    for a, b in zip(toys.weights(stock), toys.weights(ours), strict=True):
        np.testing.assert_allclose(b, a, atol=atol)
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, atol=atol)


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.parametrize("form", DATA)
def test_data_of_every_form(form, models):
    check(fit(models, DATA[form], epochs=2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_option_of_an_optimizer(name):
    models = compiled(optimizer=OPTIMIZERS[name])
    check(fit(models, DATA["arrays"]))


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model(name):
    check(fit(compiled(MODELS[name]), DATA["arrays"]))


@pytest.mark.slow
def test_a_backbone_of_keras_applications():
    check(fit(compiled(backbone), DATA["arrays"]))


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        ("mixed_bfloat16", False),
        ("mixed_float16", False),
        ("mixed_float16", True),
    ],
)
def test_mixed_precision(policy, loaded):
    """Also where the policy is that of the classifier alone."""
    before = keras.config.dtype_policy()

    def network():
        keras.config.set_dtype_policy(policy)
        model = functional()
        if loaded:
            keras.config.set_dtype_policy(before)
        return model

    try:
        models = compiled(network)
        found = fit(models, DATA["arrays"])
    finally:
        keras.config.set_dtype_policy(before)
    kind = optimizers.LossScaleOptimizer
    scaled = [isinstance(model.optimizer, kind) for model in models]
    assert scaled == [policy == "mixed_float16"] * 2
    check(found, atol=2e-3)


class Counts(keras.callbacks.Callback):
    """Which of its methods are called, in order."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch", epoch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("batch", batch, *sorted(logs)))

    def on_test_end(self, logs=None):
        self.calls.append(("test", *sorted(logs)))


C = keras.callbacks
WATCH = {"monitor": "val_accuracy", "patience": 1}
CALLBACKS = {
    "calls": lambda path: Counts(),
    "EarlyStopping": lambda path: C.EarlyStopping(
        restore_best_weights=True, min_delta=1.0, **WATCH
    ),
    "ReduceLROnPlateau": lambda path: C.ReduceLROnPlateau(
        min_delta=1.0, **WATCH
    ),
    "LearningRateScheduler": lambda path: C.LearningRateScheduler(
        lambda epoch, rate: rate / (1 + epoch)
    ),
    "ModelCheckpoint": lambda path: C.ModelCheckpoint(
        path / "{epoch}.keras", monitor="val_accuracy", save_best_only=True
    ),
    "CSVLogger": lambda path: C.CSVLogger(path / "log.csv"),
    "TerminateOnNaN": lambda path: C.TerminateOnNaN(),
    "LambdaCallback": lambda path: C.LambdaCallback(),
    "SwapEMAWeights": lambda path: C.SwapEMAWeights(),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_stock_callback(name, tmp_path, models):
    made = []

    def arguments():
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(CALLBACKS[name](folder))
        return {**DATA["validation_data"](), "callbacks": [made[-1]]}

    if name == "SwapEMAWeights":
        models = compiled(optimizer=sgd(use_ema=True))
    check(fit(models, arguments, epochs=3))
    files = [
        sorted(path.name for path in (tmp_path / part).glob("*.[kc]*"))
        for part in "01"
    ]
    assert files[0] == files[1]
    if name == "calls":
        assert made[0].calls == made[1].calls


def test_saving_going_on_and_freezing(tmp_path):
    found = []
    for model in compiled(normalized, lambda: optimizers.Adam(0.05)):
        options = {"batch_size": 4, "shuffle": False, "verbose": 0}
        model.fit(IMAGES, LABELS, **options)
        model.save(tmp_path / "model.keras")
        model = keras.saving.load_model(tmp_path / "model.keras")
        model.fit(IMAGES, LABELS, **options)
        net = getattr(model, "classifier", model)
        net.get_layer("first").trainable = False
        loss = LOSS if net is model else None
        model.compile(optimizers.Adam(0.02), loss)
        model.train_on_batch(IMAGES, LABELS)
        logs = model.test_on_batch(IMAGES, LABELS, return_dict=True)
        found.append((net, {"loss": logs["loss"]}))
    check(found, atol=1e-5)
