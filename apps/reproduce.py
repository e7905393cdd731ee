"""python -m apps.reproduce, the same as keras-mixup reproduce."""

from keras_mixup.cli import main

if __name__ == "__main__":
    main.run("reproduce")
