"""Checkpoints and weights of any making: a network, or a refusal; nothing is ever executed."""

from __future__ import annotations

import io
import json
import pickle
from contextlib import suppress
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from stages.base.errors import UserError
from stages.learner import weights
from stages.model import checkpoint
from stages.model.network import Network, build_backbone
from tests.strategies import damaged, odd_text, odd_values, scaled
from tests.test_checkpoint import HEADER, network_of, save_backbone

FIELDS = asdict(HEADER)
TENSORS = {f"head.{n}": t for n, t in network_of(0).head.state_dict().items()}
BODY = build_backbone("test_resnet").state_dict()
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
dtypes = st.sampled_from(
    [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int64,
     torch.bool, torch.complex64, torch.float8_e4m3fn]
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a backbone, for checkpoints that hold a head alone."""
    made = tmp_path_factory.mktemp("checkpoints")
    save_backbone(made / "backbone.safetensors", network_of(0))
    return made


def loaded(folder, data: bytes) -> Network | None:
    """The network of a checkpoint's bytes; none if it is refused by name."""
    path = folder / "model.safetensors"
    path.write_bytes(data)
    try:
        return checkpoint.load_network(path, folder / "backbone.safetensors")
    except UserError as error:
        said = error.message
    assert said.startswith(str(path))
    assert "\n" not in said
    return None


def written(folder, about: str, tensors=TENSORS) -> bytes:
    save_file(tensors, folder / "new.safetensors", metadata={checkpoint.KEY: about})
    return (folder / "new.safetensors").read_bytes()


@scaled(1 / 2)
@given(data=st.data())
def test_a_damaged_checkpoint_is_a_network_or_refused(folder, data):
    sound = written(folder, json.dumps(FIELDS))
    begin = data.draw(st.sampled_from([sound[:1000], sound]))
    loaded(folder, data.draw(damaged(begin)) + sound[len(begin) :])


@given(changes=st.dictionaries(st.sampled_from([*FIELDS, "other"]), odd_values, min_size=1))
def test_a_header_of_other_values_is_refused_or_says_what_it_builds(folder, changes):
    found = loaded(folder, written(folder, json.dumps(FIELDS | changes)))
    if found:
        outputs = found.eval()(torch.zeros((1, 3, 64, 64), dtype=torch.uint8))
        about = checkpoint.read_header(folder / "model.safetensors")
        assert outputs.shape == (1, len(about.classes))
        assert about.trains.activation(outputs).isfinite().all()


@scaled(1 / 2)
@given(about=odd_text | odd_values.map(json.dumps) | st.just("[" * 20_000))
def test_a_header_that_is_none_is_refused(folder, about):
    assert loaded(folder, written(folder, about.encode("utf-8", "replace").decode())) is None


@scaled(1 / 2)
@given(name=st.sampled_from(list(TENSORS)), shape=shapes, dtype=dtypes)
def test_tensors_of_other_shapes_are_refused(folder, name, shape, dtype):
    tensors = TENSORS | {name: torch.zeros(shape, dtype=dtype)}
    found = loaded(folder, written(folder, json.dumps(FIELDS), tensors))
    wanted = TENSORS[name].shape
    assert (found is not None) == (shape == wanted or (shape, wanted) == ((1,), ()))  # as torch


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return open, (self.trace, "w")


def torch_file(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@given(data=st.data())
def test_a_weights_file_of_any_bytes_is_tensors_or_refused_and_not_executed(folder, data):
    trace, path = folder / "trace", folder / data.draw(st.sampled_from(["w.pth", "w.safetensors"]))
    plain, bomb = {"a.weight": torch.zeros(2)}, {"a.weight": Bomb(trace)}
    sound = [torch_file(plain), torch_file(bomb), pickle.dumps(bomb)]
    path.write_bytes(data.draw(st.sampled_from(sound).flatmap(damaged) | st.binary(max_size=50)))
    with suppress(UserError):
        assert all(isinstance(tensor, torch.Tensor) for tensor in weights.read(path).values())
    assert not trace.exists()


@scaled(1 / 4)
@given(name=st.sampled_from(list(BODY)), value=st.sampled_from([0, float("nan")]), dtype=dtypes)
def test_weights_of_another_kind_of_number_are_refused(name, value, dtype):
    floating = BODY[name].is_floating_point()
    other = torch.full(BODY[name].shape, value if dtype.is_floating_point else 0, dtype=dtype)
    fits = dtype.is_floating_point == floating and not dtype.is_complex
    fits = fits and (value == 0 or not dtype.is_floating_point)
    tensors = BODY | {name: other}
    body = build_backbone("test_resnet")
    if fits:
        assert weights.match(body, tensors, "w")[name] is other
    else:
        with pytest.raises(UserError, match="finite numbers like"):
            weights.match(body, tensors, "w")


@pytest.mark.parametrize("odd", [torch.zeros(2, 3).to_sparse(), torch.zeros(2, 3, device="meta")])
def test_weights_that_are_not_there_are_refused(odd):
    body = torch.nn.Linear(3, 2, bias=False)
    with pytest.raises(UserError, match="finite numbers like float32"):
        weights.match(body, {"weight": odd}, "w")
