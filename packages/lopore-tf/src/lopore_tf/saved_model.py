"""The SavedModel: one frozen graph that serves raw pixels, opened only where it is arithmetic.

A SavedModel is a program: its operations can read and write files, start Python and run when it is loaded. lopore
writes the plainest kind: a graph without functions, variables and assets, the weights inside as constants, so there is
nothing to restore and nothing that runs at loading. lopore opens that kind alone, after every operation was looked up
in ``OPERATIONS``, and imports the graph by itself instead of calling TensorFlow's loader.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import PixelBatch, Scores
from lopore.errors import ModelError
from lopore.models.session_answers import finite
from lopore.preprocessing.pipeline import check_batch

from .graphs import MAPS, PENULTIMATE, SCORES
from .predict import CLOSED, chunks, tf_device_of
from .start import tf

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

FOLDER, FILE = "saved_model", "saved_model.pb"
SIGNATURE, TAG, INPUT = "serving_default", "serve", "pixels"
MAX_BYTES = (2 << 30) - 1
"""What a protobuf message can hold."""

OPERATIONS = frozenset({
    "Add", "AddN", "AddV2", "AvgPool", "BatchMatMul", "BatchMatMulV2", "BiasAdd", "BroadcastGradientArgs",
    "BroadcastTo", "Cast", "ConcatV2", "Const", "Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative", "Elu",
    "Erf", "Exp", "ExpandDims", "FloorMod", "FusedBatchNormV3", "GatherV2", "GreaterEqual", "Identity", "IdentityN",
    "InvertPermutation", "LeakyRelu", "LessEqual", "LogicalAnd", "MatMul", "Max", "MaxPool", "Maximum", "Mean",
    "Minimum", "Mul", "Neg", "NoOp", "Pack", "Pad", "PadV2", "Placeholder", "Prod", "RealDiv", "Relu", "Relu6",
    "Relu6Grad", "ReluGrad", "Reshape", "Rsqrt", "Selu", "Shape", "Sigmoid", "SigmoidGrad", "Slice", "Softmax",
    "Softplus", "Sqrt", "Square", "Squeeze", "StopGradient", "StridedSlice", "StridedSliceGrad", "Sub", "Sum",
    "Tanh", "Tile", "Transpose", "ZerosLike",
})  # fmt: skip
"""Arithmetic on tensors: none of these touches files, devices, Python, time, chance or state, nor loops or calls."""


def write_saved_model(graph: Any, names: list[str], folder: Path) -> None:
    """Write a frozen graph (``graphs.freeze``) as ``folder / "saved_model.pb"`` with the signature ``serving_default``.

    Input ``pixels`` in the graph's own shape and depth; outputs as ``names`` say, in the graph's order.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.graph_def.CopyFrom(plain_graph(graph))
    meta.meta_info_def.tags.append(TAG)
    meta.meta_info_def.tensorflow_version = tf.__version__
    signature = meta.signature_def[SIGNATURE]
    signature.method_name = "tensorflow/serving/predict"
    _describe(signature.inputs[INPUT], graph.inputs[0])
    for name, tensor in zip(names, graph.outputs, strict=True):
        _describe(signature.outputs[name], tensor)
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(model.SerializeToString(deterministic=True))


def _describe(info: Any, tensor: Any) -> None:
    info.name, info.dtype = tensor.name, tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(tensor.shape.as_proto())


def plain_graph(graph: Any) -> Any:
    """The graph definition of a frozen function without devices, debug notes and the names of arguments."""
    definition = graph.graph.as_graph_def()
    for node in definition.node:
        node.device = ""
        node.ClearField("experimental_debug_info")
        for key in ("_user_specified_name", "_class"):
            if key in node.attr:
                del node.attr[key]
    return definition


def read_saved_model(path: Path, record: ModelRecord) -> tuple[Any, str, dict[str, str]]:
    """(graph definition, name of the input, names of the outputs) of a checked ``saved_model.pb``.

    Raises ModelError naming the first operation that is no arithmetic, for assets, and for a signature that is not
    the record's.
    """
    from google.protobuf import message  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    _check_folder(path)
    try:
        model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (message.DecodeError, OSError) as error:
        raise ModelError(f"{path} is no SavedModel ({str(error)[:100]}); export it again") from None
    for meta in model.meta_graphs:
        check_operations(meta, str(path))
    metas = [meta for meta in model.meta_graphs if SIGNATURE in meta.signature_def]
    if not metas:
        raise ModelError(f"{path} has no signature {SIGNATURE}; export it again with `lopore export --to saved_model`")
    signature = metas[0].signature_def[SIGNATURE]
    _check_signature(signature, record, str(path))
    outputs = {name: info.name for name, info in signature.outputs.items()}
    return metas[0].graph_def, signature.inputs[INPUT].name, outputs


def _check_folder(path: Path) -> None:
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path} is no file of at most {MAX_BYTES} bytes; copy the whole model folder")
    foreign = sorted(item.name for item in path.parent.iterdir() if item.name != FILE)
    if foreign:
        raise ModelError(
            f"{path.parent} also holds {foreign[0][:60]!r}; "
            "a SavedModel of lopore is one file, without variables or assets"
        )


def check_operations(meta: Any, source: str) -> None:
    """ModelError where a MetaGraphDef holds assets or any operation, in graph or functions, that is no arithmetic."""
    nodes = [node for function in meta.graph_def.library.function for node in function.node_def]
    foreign = sorted({node.op for node in (*nodes, *meta.graph_def.node)} - OPERATIONS)
    if foreign:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise ModelError(
            f"{source} asks for the operation {foreign[0][:60]!r}{more}; SavedModels of plain arithmetic are opened, "
            "as `lopore export --to saved_model` writes them"
        )
    if meta.asset_file_def or meta.graph_def.library.function or meta.HasField("object_graph_def"):
        raise ModelError(f"{source} holds assets, functions or objects; SavedModels of one plain graph are opened")


def _check_signature(signature: Any, record: ModelRecord, source: str) -> None:
    recipe = record.preprocessing
    wanted = (f"uint{recipe.depth}", [*recipe.size, recipe.channels])
    given = {
        name: (tf.as_dtype(info.dtype).name, [axis.size for axis in info.tensor_shape.dim][1:])
        for name, info in signature.inputs.items()
    }
    outputs = {name: [axis.size for axis in info.tensor_shape.dim][1:] for name, info in signature.outputs.items()}
    right = {"scores": [len(record.classes)]}
    if record.task == "segmentation":
        right["maps"] = [len(record.classes), *recipe.size]
    if given != {INPUT: wanted} or any(outputs.get(name) != shape for name, shape in right.items()):
        outputs_text = ", ".join(f"{name} {outputs.get(name)}" for name in right)
        raise ModelError(
            f"{source} takes {str(given)[:120]} and gives {outputs_text}; its record says {INPUT} {wanted} and "
            f"{len(record.classes)} classes"
        )


class SavedModelSession:
    """``Session`` over a SavedModel; ``outputs`` names what it gives: scores, and heat maps or maps."""

    def __init__(self, graph: Any, given: str, outputs: dict[str, str], record: ModelRecord, device: str) -> None:
        recipe = record.preprocessing
        self.outputs = tuple(sorted(outputs))
        self.device = device
        self._shape = (*recipe.size, recipe.channels)
        self._dtype = np.dtype(f"uint{recipe.depth}")
        wanted = [outputs[name] for name in self.outputs]

        def run(pixels: Any) -> Any:
            return tf.graph_util.import_graph_def(graph, {given: pixels}, wanted, name="")

        spec = tf.TensorSpec((None, *self._shape), tf.as_dtype(self._dtype))
        with tf.device(device):
            self._function: Any = tf.function(run, input_signature=(spec,), autograph=False).get_concrete_function()

    def run(self, batch: PixelBatch) -> dict[str, NDArray[np.float32]]:
        """All outputs for a batch; ModelError for a closed session, other pixels, or values that are no numbers."""
        function = self._function
        if function is None:
            raise ModelError(CLOSED)
        check_batch(batch, self._shape, self._dtype)
        tensors = function.outputs
        parts = [[np.zeros((0, *tensor.shape[1:]), np.float32) for tensor in tensors]]
        with tf.device(self.device):
            for part in chunks(batch):
                parts.append([np.asarray(output) for output in function(tf.constant(part))])
        columns = [finite(np.concatenate(column)) for column in zip(*parts, strict=True)]
        return dict(zip(self.outputs, columns, strict=True))

    def predict(self, batch: PixelBatch) -> Scores:
        """See ``Session.predict``."""
        return self.run(batch)["scores"]

    @property
    def gives_features(self) -> bool:
        """See ``FeatureSession``."""
        return PENULTIMATE in self.outputs

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``; errors as in ``run``."""
        found = self.run(batch)
        return found[MAPS if MAPS in found else SCORES], found[PENULTIMATE]

    def close(self) -> None:
        """See ``Session.close``."""
        self._function = None


class SavedModelMapSession(SavedModelSession):
    """``lopore.contracts.MapSession`` over the SavedModel of a U-Net."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """See ``MapSession.segment``; errors as in ``run``."""
        return self.run(batch)["maps"]


def open_saved_model(folder: ModelFolder, device: str, threads: int | None) -> SavedModelSession:
    """A session over ``saved_model/`` after ``read_saved_model``; threads as in ``predict.open_keras``."""
    path = folder.file_for("saved_model")
    graph, given, outputs = read_saved_model(path, folder.record)
    kind = SavedModelMapSession if folder.record.task == "segmentation" else SavedModelSession
    try:
        return kind(graph, given, outputs, folder.record, tf_device_of(device, threads))
    except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        text = " ".join(str(error).split())[:160]
        raise ModelError(f"{path} cannot be opened by TensorFlow {tf.__version__} ({text}); export it again") from None
