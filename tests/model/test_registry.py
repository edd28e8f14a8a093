from __future__ import annotations

import pytest

from orchard.errors import ConfigError, WeightsError
from orchard.model import CARDS, load_model


def test_the_names_and_what_they_say() -> None:
    assert list(CARDS) == ["imagenet", "fruit"]
    for name, card in CARDS.items():
        assert (card.name, card.dim) == (name, 1280)
        assert card.summary
        assert card.licence
    assert (CARDS["imagenet"].source or "").endswith(f"mobilenet_v2/{CARDS['imagenet'].file_name}")
    assert CARDS["fruit"].source is None


@pytest.mark.parametrize("weights", ["imagenette", "", "weights.txt", "w.pt"])
def test_an_unknown_name_lists_the_known(weights: str) -> None:
    with pytest.raises(WeightsError, match=r"expected imagenet, fruit, or a path to a \.h5"):
        load_model(weights)


@pytest.mark.parametrize("weights", ["no-such.h5", "no-such.onnx"])
def test_a_missing_file_is_said(weights: str) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        load_model(weights)


@pytest.mark.parametrize("size", [31, 1025, -1])
def test_sizes_that_the_network_does_not_admit(size: int) -> None:
    with pytest.raises(ConfigError, match=f"--size {size}: .* from 32 to 1024"):
        load_model("fruit", size)
