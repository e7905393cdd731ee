"""`python -m keras_mixup`: the command `keras-mixup`."""

from keras_mixup.cli import main

if __name__ == "__main__":
    main.console()
