"""The network, its tasks and precision, its checkpoints and its activations."""
