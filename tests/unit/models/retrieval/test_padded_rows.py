import numpy as np

from models.retrieval.padded_rows import padded_rows

# Row 1 has columns 5 and 6, row 2 none, row 3 one, row 4 four.
ROW = np.array([4, 1, 4, 3, 1, 4, 4])
COLUMN = np.array([1, 5, 2, 7, 6, 3, 4])


def test_rows_are_with_those_of_similar_length_when_batched() -> None:
    batches = padded_rows(ROW, COLUMN, 4, most_rows=9, most_entries=99, keep_empty=True)
    # 4 entries alone: 2 are less than 0.75 of it; 2 alone: 1 is less than 0.75 of 2.
    assert [batch.row.tolist() for batch in batches] == [[4], [1], [3], [2]]
    assert [batch.column.tolist() for batch in batches] == [[[1, 2, 3, 4]], [[5, 6]], [[7]], [[0]]]


def test_rows_without_entries_are_left_out_when_not_kept() -> None:
    batches = padded_rows(ROW, COLUMN, 4, most_rows=9, most_entries=99, keep_empty=False)
    assert [batch.row.tolist() for batch in batches] == [[4], [1], [3]]


def test_rows_are_padded_with_zeros_when_a_batch_has_longer_ones() -> None:
    row, column = np.array([1, 1, 1, 2, 2, 2, 2]), np.arange(1, 8)
    (batch,) = padded_rows(row, column, 2, most_rows=9, most_entries=99, keep_empty=False)
    assert batch.row.tolist() == [2, 1]
    assert batch.column.tolist() == [[4, 5, 6, 7], [1, 2, 3, 0]]


def test_batches_are_cut_when_they_reach_their_limits() -> None:
    row = np.repeat(np.arange(1, 8), 2)  # 7 rows of 2
    column = np.arange(1, 15)
    by_rows = padded_rows(row, column, 7, most_rows=3, most_entries=99, keep_empty=False)
    assert [len(batch.row) for batch in by_rows] == [3, 3, 1]
    by_entries = padded_rows(row, column, 7, most_rows=99, most_entries=5, keep_empty=False)
    assert [batch.column.size for batch in by_entries] == [4, 4, 4, 2]
    alone = padded_rows(row, column, 7, most_rows=99, most_entries=1, keep_empty=False)
    assert [len(batch.row) for batch in alone] == [1] * 7
