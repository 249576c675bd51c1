"""backbone: pretrained weights in one file; the last stage that may need a network."""

import hashlib

from timm.data import resolve_model_data_config

from stages.base import command, params, paths, records
from stages.learner import weights
from stages.model import checkpoint


@command.stage("backbone")
def main() -> None:
    """Get the pretrained weights, check them name by name, and record their hash."""
    s = params.load("backbone")
    backbone, source = weights.load(s.model.architecture, s.model.weights)
    seen = resolve_model_data_config(backbone)  # in pretraining, by timm's record
    header = checkpoint.BackboneHeader(
        s.model.architecture, source, backbone.num_features, list(seen["mean"]), list(seen["std"])
    )
    checkpoint.save(paths.BACKBONE, header, backbone.state_dict())
    records.write_metrics(
        "backbone",
        {
            "architecture": s.model.architecture,
            "weights": source,
            "pretrained_size": None if source == "none" else seen["input_size"][-1],
            "parameters": sum(p.numel() for p in backbone.parameters()),
            "sha256": hashlib.sha256(paths.BACKBONE.read_bytes()).hexdigest(),
        },
    )


if __name__ == "__main__":
    main()
