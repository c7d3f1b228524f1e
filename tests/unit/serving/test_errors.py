import grpc
import pytest
import tensorflow as tf

from serving.errors import clean_message, from_tensorflow

# As TensorFlow 2.16 words them.
_ASSERTION = (
    "Graph execution error:\n\nDetected at node assert_greater/Assert/Assert defined at (most "
    "recent call last):\n<stack traces unavailable>\nassertion failed: [k must be positive] "
    "[Condition x > y did not hold element-wise:] [x (k:0) = ] [0] [y (y:0) = ] [0]\n\t "
    "[[{{node assert_greater/Assert/Assert}}]] [Op:__inference_signature_wrapper_r2_208]"
)
_RESHAPE = (
    "Graph execution error:\n\nDetected at node Reshape defined at (most recent call last):\n"
    "<stack traces unavailable>\nInput to reshape is a tensor with 1 values, but the requested "
    "shape has 3\n\t [[{{node Reshape}}]] [Op:__inference_signature_wrapper_r2_208]"
)


@pytest.mark.parametrize(
    ("message", "cleaned"),
    [
        (_ASSERTION, "k must be positive"),
        (
            "assertion failed: [k must be in [1, 10]. Received: 0.]\n\t [[{{node Assert}}]]",
            "k must be in [1, 10]. Received: 0.",
        ),
        (
            "Graph execution error:\n\nDetected at node Assert defined at:\n  File x, line 6\n\n"
            "assertion failed: [k must be between 1 and 5. Received:] [0]\n\t [[{{node Assert}}]]",
            "k must be between 1 and 5. Received: 0",
        ),
        (
            _RESHAPE,
            "Input to reshape is a tensor with 1 values, but the requested shape has 3",
        ),
        ("nothing to clean", "nothing to clean"),
        ("", ""),
    ],
)
def test_message_is_for_the_caller_when_cleaned(message: str, cleaned: str) -> None:
    assert clean_message(message) == cleaned


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (tf.errors.InvalidArgumentError, grpc.StatusCode.INVALID_ARGUMENT),
        (tf.errors.OutOfRangeError, grpc.StatusCode.OUT_OF_RANGE),
        (tf.errors.ResourceExhaustedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (tf.errors.InternalError, grpc.StatusCode.INTERNAL),
    ],
)
def test_code_is_kept_when_the_graph_fails(
    error: type[tf.errors.OpError], code: grpc.StatusCode
) -> None:
    told = from_tensorflow(error(None, None, "why"))
    assert told.code is code
    assert str(told) == "why"
