"""python -m apps.export, the same as keras-mixup export."""

from keras_mixup.cli import main

if __name__ == "__main__":
    main.run("export")
