"""Networks and weights made to do harm: each ends in one sentence, never in a crash or a hang."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from model.files import save
from onnx import TensorProto, helper, numpy_helper

from orchard.cli import main
from orchard.errors import ConfigError, WeightsError
from orchard.model import CARDS, apart, foreign, keras_file, load_model
from orchard.model.keras_file import read_keras

SOON = apart.Limits(seconds=120, cpu_seconds=3, memory=apart.GIB)
TRUE = numpy_helper.from_array(np.array(True), "true")
FOREVER = numpy_helper.from_array(np.array(1 << 62), "forever")


def graph_of(
    nodes: list[onnx.NodeProto],
    *initializers: onnx.TensorProto,
    shape: tuple[int | str, ...] = ("N", 3, 8, 8),
) -> onnx.ModelProto:
    """From `image` to `out`; its mean colour, `mean`, is there to work with."""
    mean = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
    ]
    graph = helper.make_graph(
        [*mean, *nodes],
        "attack",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", "d"])],
        list(initializers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def loop(carried: str) -> onnx.ModelProto:
    """Add one to `carried`, and never stop."""
    one = numpy_helper.from_array(np.array(1, np.float32), "one")
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["held", "one"], ["more"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("held", TensorProto.FLOAT, None),
        ],
        [value("go_on", TensorProto.BOOL, []), value("more", TensorProto.FLOAT, None)],
    )
    return graph_of(
        [
            helper.make_node("Loop", ["forever", "true", carried], ["turned"], body=body),
            helper.make_node("Add", ["mean", "turned"], ["out"]),
        ],
        one,
        TRUE,
        FOREVER,
    )


def filled(n_bytes: int, times: int) -> onnx.ModelProto:
    """Arrays of as many bytes, all alive at once."""
    length = numpy_helper.from_array(np.array([n_bytes // 4]), "length")
    # Of the pixels, so that nothing is computed before them: their sum, 0 as a whole number.
    nodes = [
        helper.make_node("ReduceSum", ["mean"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["none"]),
        helper.make_node("Cast", ["none"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["length", "whole"], ["long"]),
    ]
    parts = [f"part{i}" for i in range(times)]
    nodes += [helper.make_node("ConstantOfShape", ["long"], [part]) for part in parts]
    nodes += [
        helper.make_node("Sum", parts, ["all"]),
        helper.make_node("ReduceSum", ["all"], ["total"], keepdims=0),
        helper.make_node("Add", ["mean", "total"], ["out"]),
    ]
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    return graph_of(nodes, length, zero)


def wide(width: int) -> onnx.ModelProto:
    ones = numpy_helper.from_array(np.array([1, width // 3]), "times")
    return graph_of([helper.make_node("Tile", ["mean", "times"], ["out"])], ones)


def plain(*shape: int | str) -> onnx.ModelProto:
    return graph_of([helper.make_node("Identity", ["mean"], ["out"])], shape=shape)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are reached in seconds, and leave a sound network room."""
    monkeypatch.setattr(foreign, "LIMITS", SOON)
    monkeypatch.setattr(keras_file, "LIMITS", SOON)


def sequence() -> onnx.ModelProto:
    graph = graph_of([helper.make_node("SequenceConstruct", ["mean", "image"], ["out"])])
    del graph.graph.output[:]
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    info = helper.make_value_info("out", helper.make_sequence_type_proto(kind))
    graph.graph.output.append(info)
    return graph


TOO_MUCH = "takes more than 1.0 GiB of memory"
TOO_MANY = "expected at most 16,777,216"
ATTACKS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "a loop without end over constants": (lambda: loop("one"), "3 s of processor time"),
    "a loop without end over pixels": (lambda: loop("mean"), "3 s of processor time"),
    "one array of a terabyte": (lambda: filled(1 << 40, 1), TOO_MUCH),
    "arrays of six gigabytes together": (
        lambda: filled(600 << 20, 10),
        TOO_MUCH,
    ),
    "a batch of a million million": (lambda: plain(10**12, 3, 8, 8), TOO_MANY),
    "a batch of all that a number holds": (
        lambda: plain(2**63 - 1, 3, 8, 8),
        TOO_MANY,
    ),
    "images of a million by a million": (
        lambda: plain(1, 3, 10**6, 10**6),
        TOO_MANY,
    ),
    "three million features": (lambda: wide(3_000_000), "expected at most 32,768"),
    "a sequence for an output": (sequence, "expected one vector per image"),
}


@pytest.mark.long
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_network_ends_in_a_sentence(tmp_path: Path, soon: None, attack: str) -> None:
    make, sentence = ATTACKS[attack]
    path = save(tmp_path, make())
    with pytest.raises(WeightsError, match=sentence) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({"size": 8192}, "takes 2 × 8,192 × 8,192 pixels a call"),
        ({"size": 10**9}, "size = 1000000000: expected .* at most 8,192"),
        ({"size": 10**400}, "size = "),
        ({"scale": 10**400}, "a list of three"),
        ({"mean": [1, 1, -(10**400)], "std": 1}, "a list of three"),
        ({"scale": 1e-300, "offset": 1e300}, "NaN or infinite"),
        ({"name": "n" * 30_000}, "at most 1,000 characters"),
        ({"notice": ["n"] * 9_000}, "at most 1,000 characters"),
    ],
)
def test_absurd_settings_end_in_a_sentence(tmp_path: Path, card: Any, sentence: str) -> None:
    path = save(tmp_path, plain("N", 3, "H", "W"), card)
    with pytest.raises(WeightsError, match=sentence) as error:
        load_model(path)
    assert len(str(error.value)) < 700


def test_dimensions_below_one_are_free(tmp_path: Path) -> None:
    """Some exporters write -1 for what they leave open."""
    model = load_model(save(tmp_path, plain(-1, 3, -1, -1)), 64)
    assert (model.size, model.input.batch, model.dim) == (64, None, 3)


def test_tensors_in_a_pipe_are_refused(tmp_path: Path) -> None:
    graph = graph_of(
        [helper.make_node("Add", ["mean", "more"], ["out"])],
        numpy_helper.from_array(np.zeros(3, np.float32), "more"),
    )
    onnx.external_data_helper.set_external_data(graph.graph.initializer[0], "pipe")
    graph.graph.initializer[0].ClearField("raw_data")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match=r"not a valid ONNX file: .*pipe"):
        load_model(save(tmp_path, graph))


def test_the_command_ends_with_4_and_one_sentence(tmp_path: Path, photos: Path, soon: None) -> None:
    path = save(tmp_path, loop("mean"))
    done = CliRunner().invoke(main, ["run", str(photos), str(tmp_path / "out"), "--weights", path])
    assert done.exit_code == 4
    assert "takes more than 3 s of processor time to read and try" in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def small_keras_file() -> bytes:
    """Names and groups as Keras has them, few of them: nearly all of it is HDF5's own."""
    content = io.BytesIO()
    layers = {"input_1": [], **{f"layer_{i}": [f"layer_{i}/kernel:0"] for i in range(4)}}
    with h5py.File(content, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["words"] = ["a", "bc"]
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group.create_dataset(name, data=np.ones((3, 3), np.float32))
    return content.getvalue()


def mutated(content: bytes, seed: int) -> bytes:
    """Bits, bytes and whole addresses changed, where the file is not empty."""
    draw = random.Random(seed)
    changed = bytearray(content)
    used = [i for i in range(8, len(content) - 8) if any(content[i - 8 : i + 8])]
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        i = draw.choice(used)
        address = draw.choice([0, 2**64 - 1, 1 << 40, draw.randrange(len(content))])
        kind = draw.randrange(4)
        if kind == 0:
            changed[i] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[i] = draw.choice([0, 127, 128, 255])
        elif kind == 2:
            changed[i : i + 8] = address.to_bytes(8, "little")
        else:
            changed[i : i + 4] = draw.randbytes(4)
    return bytes(changed)


# What h5py 3.16 does in the process itself: 17 an OverflowError, 1002 never ends, 2714 is a crash.
@pytest.mark.long
@pytest.mark.parametrize("seeds", [(17, 1002, 2714), range(24)], ids=["known", "more"])
def test_no_mutated_file_of_weights_does_more_than_be_refused(
    tmp_path: Path, soon: None, seeds: tuple[int, ...]
) -> None:
    content = small_keras_file()

    def end(seed: int) -> str:
        path = tmp_path / f"{seed}.h5"
        path.write_bytes(mutated(content, seed))
        try:
            read_keras(path)
        except WeightsError as error:
            return str(error)
        return "read"

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(end, seeds))
    for seed, said in zip(seeds, ends, strict=True):
        assert said.startswith(f"{tmp_path}/{seed}.h5: "), "nothing of so few layers is read"
        assert "\n" not in said
        assert len(said) < 700


READERS = {
    "crash": ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(SIGSEGV\): a damaged file"),
    "abort": ("os.abort()", r"crashed \(SIGABRT\)"),
    "allocation": ("os.write(2, b'std::bad_alloc'); os.abort()", "more than 0.5 GiB of memory"),
    "memory": ("return b'x' * (1 << 30)", "more than 0.5 GiB of memory"),
    "processor": ("while True: pass", "more than 1 s of processor time"),
    "sleep": ("time.sleep(60)", "not read and tried within 3 s"),
    "surprise": ("raise ZeroDivisionError('by\\nzero')", r"\(ZeroDivisionError: by zero\)$"),
    "exit": ("os.write(2, b'one\\ntwo\\n'); os._exit(7)", "ended with 7: two"),
    "refusal": ("from orchard.errors import WeightsError; raise WeightsError('é')", "^é$"),
}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bytes]:
    """Ask a module whose `answer` has that body."""
    monkeypatch.syspath_prepend(tmp_path)

    def asked(body: str) -> bytes:
        # A busy machine gives a second of its processor in many on the clock.
        seconds = 3 if "sleep" in body else 120
        limits = apart.Limits(seconds=seconds, cpu_seconds=1, memory=apart.GIB // 2)
        code = f"import os, resource, signal, sys, time\ndef answer(argument, content):\n    {body}"
        (tmp_path / "some_reader.py").write_text(code, encoding="utf-8")
        return apart.ask("some_reader", "argument", b"content", limits)

    return asked


@pytest.mark.parametrize("case", READERS)
def test_however_the_process_ends_is_said(reader: Callable[[str], bytes], case: str) -> None:
    body, sentence = READERS[case]
    with pytest.raises(WeightsError, match=sentence) as error:
        reader(body)
    assert "\n" not in str(error.value)


def test_the_answer_is_what_the_reader_returns_and_nothing_that_is_printed(
    reader: Callable[[str], bytes],
) -> None:
    body = "print('noise', flush=True); os.write(1, b'noise'); return argument.encode() + content"
    assert reader(body) == b"argumentcontent"


def test_a_wrong_setting_stays_one(reader: Callable[[str], bytes]) -> None:
    with pytest.raises(ConfigError, match=r"^--size$"):
        reader("from orchard.errors import ConfigError; raise ConfigError('--size')")


def test_no_dump_of_the_memory_is_left(reader: Callable[[str], bytes]) -> None:
    assert reader("return repr(resource.getrlimit(resource.RLIMIT_CORE)[0]).encode()") == b"0"


def test_more_memory_is_allowed_where_a_file_is_large(reader: Callable[[str], bytes]) -> None:
    allow = "from orchard.model import apart; apart.allow_more(2 << 30)"
    assert reader(f"{allow}; return b'%d' % len(bytes(1 << 30))") == b"1073741824"


def test_the_current_folder_chooses_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "onnx", "orchard", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    assert load_model(save(tmp_path, plain("N", 3, 8, 8))).dim == 3


def test_an_interpreter_that_does_not_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match=r"cannot start a process to read it: .*No such file"):
        load_model(save(tmp_path, plain("N", 3, 8, 8)))


def test_networks_that_are_known_start_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Any, write_keras: Any
) -> None:
    started: Counter[str] = Counter()
    run = subprocess.run

    def counted(*arguments: Any, **more: Any) -> Any:
        started["all"] += 1
        return run(*arguments, **more)

    monkeypatch.setattr(subprocess, "run", counted)
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path))
    card = CARDS["imagenet"]
    assert card.file_name is not None
    write_keras(tmp_path / card.file_name, weights)
    load_model("fruit", 32)
    assert started["all"] == 0
    load_model("imagenet", 32)
    assert started["all"] == 1, "the first time that the file is seen"
    load_model("imagenet", 32)
    assert started["all"] == 1
