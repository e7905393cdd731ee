"""python -m apps.train, the same as keras-mixup train."""

from keras_mixup.cli import main

if __name__ == "__main__":
    main.run("train")
