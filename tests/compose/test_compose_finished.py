"""Classes that are done, and how many picks that makes."""

import numpy as np
from diary import Diary

from coreset_cli.compose.finished import Finished
from coreset_cli.selector import Picks


def test_support_rows_beside_are_kept_and_not_counted():
    diary = Diary()
    given = Picks(rows=np.arange(7), support=np.arange(7) >= 2, facts={"cells": 3})
    Finished(diary).add(4, given, 2, diary)
    again = Finished(diary)
    assert again.asked == 2
    assert again.found[4].rows.tolist() == given.rows.tolist()
    assert again.found[4].support.tolist() == given.support.tolist()
    again.add(5, given, 3, diary)
    assert Finished(diary).asked == 5
