"""What netc accepts is right: random topologies of all features, and what each judge says of their files."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import night
from mixed import FEATURES, accepted, complaints, features

BUILT = 1000 if night.is_night() else 30


def test_files_of_random_topologies_pass_every_judge() -> None:
    """Each complaint has the seed that draws its topology again: `mixed.mixed(SEED)`."""
    refused: Counter[str] = Counter()
    made = list(islice(accepted(night.seed(), refused), BUILT))

    assert list(complaints(made)) == []
    assert refused["all"] <= BUILT / 10, refused
    assert {name for each in made for name in features(each.topology)} == {*FEATURES}
