"""Mean squared error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Images
from harness.encoding import squared_error
from harness.registry import metric


@metric("mse", summary="mean squared error of 8-bit values, all channels together; lower is better")
class MeanSquaredError:
    """Mean over pixels and channels of (original - decoded)^2, in squared 8-bit steps: 0 to 65025, 0 where equal."""

    def measure(self, original: Images, decoded: Images) -> NDArray[np.float64]:
        return squared_error(original, decoded)
