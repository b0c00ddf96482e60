"""A memo that never forgets, for runs that are called off and go on."""


class Diary:
    """Keeps every state that it is shown."""

    def __init__(self, kept=None):
        self.kept = kept

    def recall(self):
        return self.kept

    def due(self):
        return True

    def keep(self, state, done):
        self.kept = {name: values.copy() for name, values in state.items()}

    def close(self):
        pass

    def part(self, name):
        return self
