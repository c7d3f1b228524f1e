from models.retrieval import registry
from models.retrieval.options import FAMILIES


def test_every_family_is_fitted_when_its_options_are_known() -> None:
    assert registry._FIT.keys() == FAMILIES.keys()
