import numpy as np

from coreset_cli.kernels.groups import members


def test_rows_of_each_group_ascend_and_empty_groups_stay():
    found = members(np.array([2, 0, 2, 0, 0]), 4)
    assert [rows.tolist() for rows in found] == [[1, 3, 4], [], [0, 2], []]
