"""What a job costs, in gradient passes of single images."""

from keras_mixup.reproduce import costs
from keras_mixup.reproduce import jobs


def test_a_training_costs_its_own_steps_and_those_on_validation_images():
    base = {"dataset": "digits", "epochs": 2, "algorithm": "erm"}
    trained = jobs.Job("train", "a label", base, (), "a.flags", {})
    assert costs.work(trained) == 2 * 1097
    steps = {"eps": 0.1, "num_steps": 5}
    own = trained._replace(settings={**base, **steps})
    assert costs.work(own) == 2 * (6 * 1097 + 10 * 200)
    few = {**base, **steps, "num_train": 500, "num_validation": 0}
    assert costs.work(trained._replace(settings=few)) == 2 * 6 * 500
    steps.pop("num_steps")
    own = trained._replace(settings={**base, **steps, "num_validation": 50})
    assert costs.work(own) == 2 * (11 * 1097 + 10 * 50)
