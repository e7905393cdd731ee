"""Runs a SavedModel by TensorFlow's C API; imports no Python TensorFlow.

    python c_api_loader.py LIBRARY FOLDER REQUESTS.npz CALLS.json ANSWERS.npz

TF Serving loads models with the same C++ code. CALLS.json is a list of
{"inputs": {tensor name: array name}, "outputs": {name: tensor name}}; the
arrays are in REQUESTS.npz, those of type bytes become strings. ANSWERS.npz
gets "<call>/<name>", or "<call>/error" with the text of a refused call.
"""

import ctypes
import json
import sys

import numpy as np

TYPES = {1: np.float32, 3: np.int32, 9: np.int64, 10: np.bool_}
CODES = {np.dtype(kind): code for code, kind in TYPES.items()}
STRING = 7
# sizeof(TF_TString)
STRING_BYTES = 24
POINTERS = (
    "TF_NewStatus",
    "TF_NewGraph",
    "TF_NewSessionOptions",
    "TF_LoadSessionFromSavedModel",
    "TF_GraphOperationByName",
    "TF_AllocateTensor",
    "TF_TensorData",
)


class Output(ctypes.Structure):
    """TF_Output: an operation and the number of its output."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def load_library(path):
    """Opens libtensorflow_cc and declares what its functions return."""
    library = ctypes.CDLL(path)
    for name in POINTERS:
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    library.TF_TensorByteSize.restype = ctypes.c_size_t
    return library


class Loader:
    """One loaded SavedModel."""

    def __init__(self, library, folder):
        self.tf = library
        self.status = ctypes.c_void_p(library.TF_NewStatus())
        self.graph = ctypes.c_void_p(library.TF_NewGraph())
        tags = (ctypes.c_char_p * 1)(b"serve")
        self.session = ctypes.c_void_p(
            library.TF_LoadSessionFromSavedModel(
                ctypes.c_void_p(library.TF_NewSessionOptions()),
                None,
                folder.encode(),
                tags,
                1,
                self.graph,
                None,
                self.status,
            )
        )
        self.check()

    def check(self):
        """Raises if the last call failed."""
        if self.tf.TF_GetCode(self.status):
            raise RuntimeError(self.tf.TF_Message(self.status).decode())

    def output(self, name):
        """The TF_Output of a tensor name such as "add:0"."""
        operation, _, index = name.partition(":")
        found = self.tf.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            raise KeyError(name)
        return Output(found, int(index))

    def tensor(self, array):
        """Copies a NumPy array into a TF_Tensor."""
        text = array.dtype.kind == "S"
        size = STRING_BYTES * array.size if text else array.nbytes
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = ctypes.c_void_p(
            self.tf.TF_AllocateTensor(
                ctypes.c_int(STRING if text else CODES[array.dtype]),
                shape,
                array.ndim,
                ctypes.c_size_t(size),
            )
        )
        data = self.tf.TF_TensorData(tensor)
        if not text:
            ctypes.memmove(data, array.tobytes(), size)
            return tensor
        for row, content in enumerate(array.tolist()):
            place = ctypes.c_void_p(data + STRING_BYTES * row)
            self.tf.TF_StringInit(place)
            length = ctypes.c_size_t(len(content))
            self.tf.TF_StringCopy(place, content, length)
        return tensor

    def array(self, tensor):
        """Copies a TF_Tensor into a NumPy array."""
        rank = self.tf.TF_NumDims(tensor)
        shape = [self.tf.TF_Dim(tensor, i) for i in range(rank)]
        kind = TYPES[self.tf.TF_TensorType(tensor)]
        size = self.tf.TF_TensorByteSize(tensor)
        data = ctypes.string_at(self.tf.TF_TensorData(tensor), size)
        return np.frombuffer(data, kind).reshape(shape)

    def run(self, inputs, outputs):
        """Runs the session: dict tensor name -> array, dict -> arrays."""
        tensors = [self.tensor(array) for array in inputs.values()]
        results = (ctypes.c_void_p * len(outputs))()
        self.tf.TF_SessionRun(
            self.session,
            None,
            (Output * len(inputs))(*map(self.output, inputs)),
            (ctypes.c_void_p * len(inputs))(*(t.value for t in tensors)),
            len(inputs),
            (Output * len(outputs))(*map(self.output, outputs.values())),
            results,
            len(outputs),
            None,
            0,
            None,
            self.status,
        )
        self.check()
        arrays = [self.array(ctypes.c_void_p(result)) for result in results]
        return dict(zip(outputs, arrays, strict=True))


def main():
    """See the text at the top."""
    library, folder, requests, calls, answers = sys.argv[1:]
    loader = Loader(load_library(library), folder)
    given = np.load(requests)
    found = {}
    with open(calls, encoding="utf-8") as file:
        listed = json.load(file)
    for number, call in enumerate(listed):
        inputs = {name: given[key] for name, key in call["inputs"].items()}
        try:
            answer = loader.run(inputs, call["outputs"])
        except RuntimeError as error:
            answer = {"error": np.array(str(error))}
        for name, value in answer.items():
            found[f"{number}/{name}"] = value
    foreign = [n for n in sys.modules if n.split(".")[0] in ("tensorflow",)]
    np.savez(answers, modules=np.array(foreign, dtype=str), **found)


if __name__ == "__main__":
    main()
