"""Write keras_seeded.npz: the features that Keras itself computes with weights from a seed.

    python -m venv /tmp/keras && /tmp/keras/bin/pip install tensorflow-cpu pillow
    PYTHONPATH=src:. /tmp/keras/bin/python tests/golden/make_golden.py

The file is small enough to be in the repository, so that a checkout without ImageNet's weights can
hold Orchard against Keras. It was made with the versions it names in `made_by`.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tests.golden.seeded import GOLDEN, SIZES, pictures, values


def network(size: int) -> keras.Model:
    model = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, pooling="avg", weights=None
    )
    for layer in model.layers:
        names = [f"{layer.name}/{_role(weight.path)}" for weight in layer.weights]
        shapes = [tuple(weight.shape) for weight in layer.weights]
        layer.set_weights([values(name, shape) for name, shape in zip(names, shapes, strict=True)])
    return model


def _role(path: str) -> str:
    return path.rpartition("/")[2].replace("depthwise_kernel", "kernel")


def features(size: int) -> np.ndarray:
    pixels = keras.applications.mobilenet_v2.preprocess_input(pictures(size).astype(np.float32))
    return np.asarray(network(size)(pixels, training=False), dtype=np.float32)


if __name__ == "__main__":
    arrays = {f"pictures_{size}": pictures(size) for size in SIZES}
    arrays |= {f"features_{size}": features(size) for size in SIZES}
    made_by = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    np.savez_compressed(GOLDEN, made_by=made_by, **arrays)
