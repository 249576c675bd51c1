"""head: train a new head on precomputed activations (lesson step 3)."""

import click

from stages import params, paths, training
from stages.learner import checkpoint, fitting
from stages.learner.hardware import Precision


@click.command()
@click.argument("fold")
def main(fold: str) -> None:
    """Train the head of FOLD on activations: seconds, for the backbone is not run."""
    s = params.load("head")
    header, head = training.new_head(fold, s)
    learner = training.head_learner(header, head, s)
    data = training.activation_data(fold, header, s)
    rates = training.rates(fold, "find_lr_head")
    rows: list[fitting.Row] = []
    about = {"stage": "head", "size": header.size, "layers": "head"}
    fitting.fit_all(learner, data, s.head.fits, rates, rows, **about)
    checkpoint.save_head(paths.model(fold, "head"), header, head)
    training.write("head", fold, rows, header, Precision(learner.device))


if __name__ == "__main__":
    main()
