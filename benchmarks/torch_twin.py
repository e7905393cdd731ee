"""A SmallConvNet again in PyTorch, and torchattacks' AutoAttack on it.

With stride 2 TensorFlow pads an even side below and to the right, PyTorch
above and to the left. So the twin sees images, and has kernels, turned by half
a turn: then its convolutions pad by themselves, as those of any PyTorch net.
Padding by hand cost it a third of its time.
"""

import time
from typing import NamedTuple

import numpy as np

INSTALL = "pip install torch torchattacks  (make referee does it)"


class Outcome(NamedTuple):
    """The result of one library's AutoAttack.

    Attributes:
        images: float32 [n, H, W, C], adversarial where broken.
        broken_by: list of n str, as of `AutoAttackReport`.
        cpu_seconds, wall_seconds: float; the process's and the clock's.
        stage_seconds: dict name -> CPU seconds, or None.
    """

    images: np.ndarray
    broken_by: list
    cpu_seconds: float
    wall_seconds: float
    stage_seconds: dict | None = None


def twin(classifier, threads):
    """Returns a `torch.nn.Module` with the weights of a `SmallConvNet`.

    Its input is [n, C, H, W], turned by half a turn, as `to_torch` makes it.
    No weight asks for a gradient: that of the images is all that the attacks
    need.

    Args:
        classifier: keras.Model, made by `models.SmallConvNet`.
        threads: int, of PyTorch; 0 leaves its own number.

    Raises:
        ImportError: without PyTorch; the text says how to install it.
        ValueError: for another architecture.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"The comparison needs {INSTALL}.") from error
    if threads:
        torch.set_num_threads(threads)
    names = [layer.name for layer in classifier.layers]
    convolutions = [f"stage_{n}_conv" for n in (1, 2, 3)]
    if not set(convolutions) < set(names):
        raise ValueError(
            f"`classifier` must be a SmallConvNet. Received: layers {names}"
        )

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.kernels, self.biases = [], []
            for name in convolutions:
                kernel, bias = classifier.get_layer(name).get_weights()
                turned = kernel[::-1, ::-1].transpose(3, 2, 0, 1)
                turned = np.ascontiguousarray(turned)
                self.kernels.append(torch.tensor(turned))
                self.biases.append(torch.tensor(bias))
            head = classifier.layers[-1].get_weights()
            self.matrix, self.offset = torch.tensor(head[0].T), head[1]
            self.offset = torch.tensor(self.offset)
            shift = classifier.get_layer("normalization")
            channels = self.kernels[0].shape[1]
            self.mean = _per_channel(shift.mean, channels)
            self.std = _per_channel(shift.variance, channels) ** 0.5
            # torchattacks asks a parameter for the device.
            self.anchor = torch.nn.Parameter(torch.zeros(1), False)
            # Rows that were seen with a gradient, and without.
            self.passes = self.queries = 0

        def forward(self, images):
            if images.requires_grad:
                self.passes += len(images)
            else:
                self.queries += len(images)
            x = (images - self.mean) / self.std
            for index, stride in enumerate((1, 2, 2)):
                x = torch.nn.functional.conv2d(
                    x, self.kernels[index], self.biases[index], stride, 1
                )
                x = torch.relu(x)
            x = x.mean(dim=(2, 3))
            return torch.nn.functional.linear(x, self.matrix, self.offset)

    return Twin().eval()


def _per_channel(values, channels):
    import torch

    # The layer may hold them once for each pixel.
    values = np.asarray(values, np.float32).reshape(-1, channels)[0]
    return torch.tensor(values.reshape(1, -1, 1, 1))


def logits_of(net, images, batch_size=250):
    """Returns the twin's logits of NHWC images, float32 [n, C]."""
    import torch

    with torch.no_grad():
        return np.concatenate(
            [
                net(to_torch(images[i : i + batch_size])).numpy()
                for i in range(0, len(images), batch_size)
            ]
        )


def to_torch(images):
    """Returns a tensor [n, C, H, W], rotated by 180 degrees."""
    import torch

    turned = np.transpose(images, (0, 3, 1, 2))[..., ::-1, ::-1]
    return torch.tensor(np.ascontiguousarray(turned))


def from_torch(images):
    """Returns the array [n, H, W, C] of a tensor that `to_torch` made."""
    turned = images.detach().numpy()[..., ::-1, ::-1]
    return np.ascontiguousarray(np.transpose(turned, (0, 2, 3, 1)))


def attacks(net, threat, num_classes, num_steps, num_targets, num_queries):
    """Returns {name: torchattacks attack}, those of version "standard".

    `torchattacks.AutoAttack` itself takes 10 steps where Croce and Hein take
    100, and rescales Square's schedule; here both are as in the original.
    """
    import torchattacks

    norm = {"linf": "Linf", "l2": "L2"}[threat.norm]
    shared = {"norm": norm, "eps": threat.eps, "seed": 0}
    targeted = {"steps": num_steps, "n_classes": num_classes, **shared}
    made = {
        "apgd-ce": torchattacks.APGD(net, steps=num_steps, **shared),
        "apgd-t": torchattacks.APGDT(net, **targeted),
        "fab-t": torchattacks.FAB(net, multi_targeted=True, **targeted),
        "square": torchattacks.Square(
            net, n_queries=num_queries, resc_schedule=False, **shared
        ),
    }
    for name in ("apgd-t", "fab-t"):
        made[name].n_target_classes = min(num_targets, num_classes - 1)
    return made


def run(net, stages, images, labels, batch_size):
    """Runs the stages in sequence on survivors, as their MultiAttack does.

    Args:
        net: the twin.
        stages: dict name -> attack.
        images: float32 [n, H, W, C].
        labels: int [n].
        batch_size: int; survivors are counted batch by batch, as users of
            torchattacks do.

    Returns:
        `Outcome`.
    """
    import torch

    truth = torch.tensor(np.asarray(labels, np.int64))
    found = to_torch(images)
    broken_by = np.full(len(images), "", object)
    start = time.process_time(), time.perf_counter()
    seconds = dict.fromkeys(stages, 0.0)
    for first in range(0, len(images), batch_size):
        rows = torch.arange(first, min(first + batch_size, len(images)))
        wrong = _wrong(net, found[rows], truth[rows])
        broken_by[rows[wrong].numpy()] = "clean"
        left = rows[~wrong]
        for name, attack in stages.items():
            if not len(left):
                break
            began = time.process_time()
            made = attack(found[left], truth[left]).detach()
            wrong = _wrong(net, made, truth[left])
            found[left[wrong]] = made[wrong]
            broken_by[left[wrong].numpy()] = name
            left = left[~wrong]
            seconds[name] += time.process_time() - began
    return Outcome(
        from_torch(found),
        broken_by.tolist(),
        time.process_time() - start[0],
        time.perf_counter() - start[1],
        seconds,
    )


def _wrong(net, images, labels):
    import torch

    with torch.no_grad():
        return net(images).argmax(dim=1) != labels


def highest_margins(net, threat, images, labels, num_steps):
    """Returns the highest margin that torchattacks' APGD reaches, [n].

    Args:
        net: the twin.
        threat: `ThreatModel`.
        images: float32 [n, H, W, C].
        labels: int [n].
        num_steps: int.
    """
    import torch
    import torchattacks

    norm = {"linf": "Linf", "l2": "L2"}[threat.norm]
    attack = torchattacks.APGD(
        net, norm, threat.eps, num_steps, n_restarts=5, loss="dlr"
    )
    truth = torch.tensor(np.asarray(labels, np.int64))
    points = attack.perturb(to_torch(images), truth, best_loss=True)
    points = points[-1] if isinstance(points, tuple) else points
    return margins(net(points.detach()).detach().numpy(), labels)


def margins(logits, labels):
    """Returns max_{c != y} z_c - z_y, positive where wrong, [n]."""
    logits = np.array(logits, np.float64)
    rows = np.arange(len(logits))
    own = logits[rows, labels].copy()
    logits[rows, labels] = -np.inf
    return logits.max(axis=-1) - own
