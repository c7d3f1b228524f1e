import pytest

from serving.channel import is_this_machine


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:8500",
        "127.8.9.10:1",
        "localhost:8500",
        "LOCALHOST",
        "[::1]:8500",
        "0.0.0.0:8500",
        "dns:///localhost:8500",
        "ipv4:127.0.0.1:8500",
        "ipv6:[::1]:8500",
    ],
)
def test_target_is_this_machine_when_it_loops_back(target: str) -> None:
    assert is_this_machine(target)


@pytest.mark.parametrize(
    "target",
    ["models.example:8500", "10.0.0.1:8500", "[2001:db8::1]:8500", "localhost.example:8500", ""],
)
def test_target_is_elsewhere_when_it_names_another_machine(target: str) -> None:
    assert not is_this_machine(target)
