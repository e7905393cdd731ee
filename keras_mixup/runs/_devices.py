"""The devices of a run: one, several of a host, those of several hosts."""

import glob
import os

# More tasks on one node than there are.
_MANY = 10**6


def split(settings):
    """Splits the CPU into the logical devices that settings ask for.

    Args:
        settings: any object; one without `logical_devices` asks for none.

    Raises:
        ValueError: another number of devices after TensorFlow's first op.
    """
    import tensorflow as tf

    wanted = getattr(settings, "logical_devices", None)
    if wanted is None:
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    found = tf.config.get_logical_device_configuration(cpu)
    if found is not None and len(found) == wanted:
        return
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(wanted)]
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise ValueError(
            "`logical_devices` must be set before TensorFlow's first op. "
            f"Received: logical_devices={wanted}. Start another process."
        ) from error


def resolver_of(settings):
    """Returns the `ClusterResolver` of several workers; None for one.

    Args:
        settings: any object; one without `strategy` means one worker.

    Raises:
        ValueError: neither `TF_CONFIG` nor Slurm says who the workers are.
    """
    if getattr(settings, "strategy", "none") != "multi_worker":
        return None
    import tensorflow as tf

    resolvers = tf.distribute.cluster_resolver
    if "TF_CONFIG" in os.environ:
        found = _of_tf_config(resolvers)
    elif "SLURM_STEP_NODELIST" in os.environ:
        found = _of_slurm(resolvers)
    else:
        raise ValueError(
            "`strategy` must be none or mirrored where nothing names the "
            "workers. Received: strategy=multi_worker, without TF_CONFIG in "
            "the environment and outside of a Slurm step (srun)."
        )
    if found.task_type not in ("chief", "worker"):
        raise ValueError(
            "TF_CONFIG must give the task type chief or worker. Received: "
            f"{found.task_type!r}"
        )
    return found


def _of_tf_config(resolvers):
    try:
        found = resolvers.TFConfigClusterResolver()
        jobs = found.cluster_spec().as_dict()
        members = jobs[found.task_type]
        okay = 0 <= found.task_id < len(members)
    except (AttributeError, KeyError, TypeError, ValueError):
        okay = False
    if not okay:
        raise ValueError(
            "TF_CONFIG must be JSON with cluster and task, whose index is one "
            f"of the cluster's. Received: {os.environ['TF_CONFIG']}"
        )
    return found


def _of_slurm(resolvers):
    try:
        if glob.glob("/dev/nvidia*"):
            return _resolved(resolvers.SlurmClusterResolver())
        # Without GPUs its arithmetic fails: as many as there are tasks.
        return _resolved(
            resolvers.SlurmClusterResolver(
                gpus_per_node=_MANY, gpus_per_task=1, auto_set_gpu=False
            )
        )
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"Slurm does not say who the workers are: {error}. Set TF_CONFIG."
        ) from error


def _resolved(resolver):
    resolver.cluster_spec()  # Finds out who it is itself.
    return resolver


def strategy_of(settings):
    """Returns the `tf.distribute.Strategy` of settings.

    Args:
        settings: any object; without `strategy` the present one stays.

    Raises:
        ValueError: as `resolver_of`, or TensorFlow has run an op already,
            which several workers do not allow.
    """
    import tensorflow as tf

    chosen = getattr(settings, "strategy", "none")
    if chosen == "none":
        return tf.distribute.get_strategy()
    if chosen == "multi_worker":
        return _of_workers(resolver_of(settings))
    wanted = settings.logical_devices
    if wanted is None:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(wanted)])


def _of_workers(resolver):
    import tensorflow as tf

    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise ValueError(
            "`strategy` must be set before TensorFlow's first op. Received: "
            f"strategy=multi_worker. Start another process ({error})."
        ) from error
