"""NumPy's functions that are not simply calls to a traced array, since they ask for less, or more, than an array."""

import numpy as np

METADATA = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj})
"""Functions whose answer is the same for all arrays of a shape and a dtype."""

LIKE = {np.zeros_like: 0, np.ones_like: 1, np.empty_like: None}
"""What makes a new array, and the number that fills it."""

DATA_SHAPED = frozenset({np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.compress, np.extract, np.trim_zeros})
"""Functions whose result has a shape that depends on the numbers."""

IN_PLACE = frozenset({np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis})
