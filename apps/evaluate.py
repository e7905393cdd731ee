"""python -m apps.evaluate, the same as keras-mixup evaluate."""

from keras_mixup.cli import main

if __name__ == "__main__":
    main.run("evaluate")
