"""TFX's annotations of function components, in a form that type checkers understand.

At run time these are TFX's own. To a type checker `InputArtifact[Model]` is a `Model` and
`Parameter[str]` is a `str`, which is what the function's body receives.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

if TYPE_CHECKING:
    T = TypeVar("T")
    InputArtifact = Annotated[T, "input"]
    OutputArtifact = Annotated[T, "output"]
    Parameter = Annotated[T, "parameter"]

    def component(function: Callable[..., None]) -> Any:
        """Makes a TFX component out of a function."""

else:
    from tfx.dsl.component.experimental.annotations import (  # noqa: F401
        InputArtifact,
        OutputArtifact,
        Parameter,
    )
    from tfx.dsl.component.experimental.decorators import component  # noqa: F401
