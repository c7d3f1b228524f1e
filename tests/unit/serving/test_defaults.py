import inspect
from collections.abc import Callable

from pipeline import cli
from serving import defaults, server


def _defaults(function: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def test_both_front_ends_agree_when_nothing_is_said() -> None:
    ours, pipelines = _defaults(server.main), _defaults(cli.serve)
    assert pipelines == {name: ours[name] for name in pipelines}
    # What only one of them offers is the name of the model.
    assert set(ours) - set(pipelines) == {"model_name"}


def test_commands_ask_where_the_server_listens_when_nothing_is_said() -> None:
    target = f"{_defaults(server.main)['host']}:{_defaults(server.main)['port']}"
    assert target == defaults.TARGET
    assert _defaults(cli.recommend)["target"] == _defaults(cli.similar)["target"] == target
