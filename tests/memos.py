"""Memos that keep all, and that find what was kept."""

import numpy as np

from coreset_cli.kernels.memo import Forgetful


class Kept(Forgetful):
    """Keeps every state, as a folder would."""

    def __init__(self):
        self.states = []

    def due(self):
        return True

    def keep(self, state, done):
        self.states.append(({name: np.array(values) for name, values in state.items()}, done))


class Found(Forgetful):
    """Finds a state."""

    def __init__(self, state):
        self.state = state

    def recall(self):
        return self.state
