"""The papers' tables as data: rows, commands and printed numbers."""

from keras_mixup.reproduce.catalogue import Column
from keras_mixup.reproduce.catalogue import Entry
from keras_mixup.reproduce.catalogue import Published
from keras_mixup.reproduce.catalogue import Row
from keras_mixup.reproduce.lookup import entries
from keras_mixup.reproduce.lookup import find

__all__ = ["Column", "Entry", "Published", "Row", "entries", "find"]
