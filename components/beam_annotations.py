"""TFX's annotations of function components that run Beam, see `components.annotations`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

if TYPE_CHECKING:
    T = TypeVar("T")
    # To the type checker always a pipeline: TFX replaces the only default it allows, None.
    BeamComponentParameter = Annotated[T | Any, "beam"]

    def beam_component(function: Callable[..., None]) -> Any:
        """Makes a TFX component out of a function that takes a Beam pipeline."""

else:
    import functools

    from tfx.dsl.component.experimental.annotations import BeamComponentParameter  # noqa: F401
    from tfx.dsl.component.experimental.decorators import component

    beam_component = functools.partial(component, use_beam=True)
