"""unfreeze: train all layers with differential learning rates (lesson steps 5 to 8)."""

import click

from stages.base import command, params
from stages.base.settings import Step
from stages.fit import passing, snapshots


@command.stage("unfreeze")
@click.argument("fold")
def main(fold: str) -> None:
    """Fine-tune the whole network of FOLD, earlier layers more gently."""
    s = params.load("unfreeze")
    step = Step(image_size=s.unfreeze.image_size, layers="all", fits=s.unfreeze.fits)
    if not step.fits:
        passing.on("unfreeze", fold, "progressive")
        snapshots.write_list(fold, [])
        return
    from stages.fit import training  # torch, which there is no need of until here

    rates = training.rates(fold, "find_lr_unfreeze", s.find_lr.group_ratio, s.optimizer.layer_decay)
    training.train_on_images(
        "unfreeze", fold, "progressive", [step], s.unfreeze.batch_size, rates, s,
        cycle_save=s.unfreeze.cycle_save,
    )  # fmt: skip


if __name__ == "__main__":
    main()
