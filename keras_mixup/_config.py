"""`get_config` and `from_config` from the constructor's own signature."""

import inspect
from typing import Any
from typing import TypeVar

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_mixup needs the TensorFlow backend of Keras. Received: "
        f"{keras.backend.backend()}, from keras.json."
    )

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_C = TypeVar("_C", bound="Configurable")


class Configurable:
    """Mixin: every constructor argument is an attribute of the same name.

    `get_config` collects those attributes, `from_config` gives them back to
    the constructor; nested Keras objects are (de)serialised on the way.
    """

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """Returns the names of the constructor's arguments, in order."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        named = [p.name for p in parameters if p.kind not in _VARIADIC]
        return tuple(name for name in named if name != "self")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain serialisable values."""
        return {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.argument_names()
        }

    @classmethod
    def from_config(cls: type[_C], config: dict[str, Any]) -> _C:
        """Builds the object again from what `get_config` returned."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                for name, value in config.items()
            }
        )

    def rebuilt(self: _C, **changes: Any) -> _C:
        """Returns an equal object, with some arguments changed."""
        values = {name: getattr(self, name) for name in self.argument_names()}
        return type(self)(**{**values, **changes})

    def __repr__(self):
        shown = (f"{n}={getattr(self, n)!r}" for n in self.argument_names())
        return f"{type(self).__name__}({', '.join(shown)})"
