"""head: train a new head on precomputed activations (lesson step 3)."""

import click

from stages.base import command, params, paths
from stages.base.settings import Step
from stages.base.unfinished import addressed
from stages.fit import fitting, training
from stages.fit.stage_bar import stage_bar
from stages.model import checkpoint, hardware
from stages.model.hardware import Precision


@command.stage("head")
@click.argument("fold")
def main(fold: str) -> None:
    """Train the head of FOLD on activations: seconds, for the backbone is not run."""
    s = params.load("head")
    header, head = training.new_head(fold, s)
    data = training.activation_data(fold, header, s)
    learner = training.head_learner(header, head, data, s)
    rates = training.rates(fold, "find_lr_head")
    history = fitting.History()
    step = Step(image_size=header.size, layers="head", fits=s.head.fits)
    about = {"stage": "head", "size": header.size, "layers": "head"}
    with stage_bar(addressed("head", fold), [step], data, history.rows) as bar:
        fitting.fit_all(learner, data, s.head.fits, rates, history, bar, **about)
        found = training.read(head, learner.device, learner.task, data, history, bar)
    checkpoint.save_head(paths.model(fold, "head"), header, head)
    used = hardware.record(Precision(learner.device))
    training.write("head", fold, history, found, header, used)


if __name__ == "__main__":
    main()
