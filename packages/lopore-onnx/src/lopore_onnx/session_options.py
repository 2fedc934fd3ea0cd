"""How every session of ONNX Runtime is opened here."""

from __future__ import annotations

import onnxruntime as ort

from lopore.cores import available_cores


def session_options(threads: int | None = None) -> ort.SessionOptions:
    """threads: for one run; default the cores this process may use."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 4  # its log names what the file names, control characters and all, on standard error
    # Spinning workers would take the cores that decode the next batch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Processors without VNNI add two products of 8 by 8 bits in 16 bits, which saturates: of an EfficientNet-Lite0 in 8
    # bits a third of the decisions moved. Costs there about 40 % of such a file's time, and nothing elsewhere.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options
