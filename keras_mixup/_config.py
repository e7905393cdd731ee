"""`get_config` and `from_config` from the constructor's own signature."""

import inspect

import keras


class Configurable:
    """Mixin: every constructor argument is an attribute of the same name.

    `get_config` collects those attributes, `from_config` gives them back to
    the constructor; nested Keras objects are (de)serialised on the way.
    """

    def get_config(self):
        """Returns the constructor's arguments as plain serialisable values."""
        names = inspect.signature(type(self).__init__).parameters
        return {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in names
            if name != "self"
        }

    @classmethod
    def from_config(cls, config):
        """Builds the object again from what `get_config` returned."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                for name, value in config.items()
            }
        )

    def __repr__(self):
        names = inspect.signature(type(self).__init__).parameters
        shown = (f"{n}={getattr(self, n)!r}" for n in names if n != "self")
        return f"{type(self).__name__}({', '.join(shown)})"
