"""augment: train the head on augmented images, the backbone frozen (lesson step 4)."""

import click

from stages.base import command, params
from stages.base.settings import Step
from stages.fit import passing


@command.stage("augment")
@click.argument("fold")
def main(fold: str) -> None:
    """Train the head of FOLD on images that are a little different every epoch."""
    s = params.load("augment")
    step = Step(image_size=s.augment.image_size, layers="head", fits=s.augment.fits)
    if not step.fits:
        passing.on("augment", fold, "head")
        return
    from stages.fit import training  # torch, which there is no need of until here

    rates = training.rates(fold, "find_lr_head")
    training.train_on_images("augment", fold, "head", [step], s.augment.batch_size, rates, s)


if __name__ == "__main__":
    main()
