"""progressive: train on at larger and larger sizes (the lesson's 224 to 299)."""

import click

from stages.base import command, params
from stages.fit import passing


@command.stage("progressive")
@click.argument("fold")
def main(fold: str) -> None:
    """Train FOLD on at the sizes of progressive.steps: almost a new data set at each."""
    s = params.load("progressive")
    steps, batch_size = s.progressive.steps, s.progressive.batch_size
    if not any(step.fits for step in steps):
        passing.on("progressive", fold, "augment")
        return
    from stages.fit import training  # torch, which there is no need of until here

    rates = training.rates(fold, "find_lr_head", s.find_lr.group_ratio, s.optimizer.layer_decay)
    training.train_on_images("progressive", fold, "augment", steps, batch_size, rates, s)


if __name__ == "__main__":
    main()
