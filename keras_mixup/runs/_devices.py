"""The devices of a run: one, several of a host, those of several hosts."""


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


def strategy_of(settings):
    """Returns the `tf.distribute.Strategy` of settings.

    Args:
        settings: any object; without `strategy` the present one stays.
    """
    import tensorflow as tf

    if getattr(settings, "strategy", "none") == "none":
        return tf.distribute.get_strategy()
    wanted = settings.logical_devices
    if wanted is None:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(wanted)])
