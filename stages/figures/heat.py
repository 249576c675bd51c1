"""Heat over a grey image, in colours whose brightness alone tells how hot (matplotlib's inferno).

So that who sees no red or green, and who prints, reads the same; the image is darkened, or its
white would be as bright as the heat.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
DARKENED, THICKEST = 0.55, 0.7


def over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image, uint8 (H, W, 3), in grey under heat (H, W) of 0 to 1: uint8 (H, W, 3)."""
    grey = DARKENED * (image @ np.array(LUMA))[..., None]
    colours = 255 * mpl.colormaps["inferno"](heat)[..., :3]
    thick = THICKEST * heat[..., None]
    return ((1 - thick) * grey + thick * colours).round().astype(np.uint8)
