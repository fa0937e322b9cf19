"""Which policies there are, by the name that an artifact gives them."""

from turn_rl_ros.core.best_of import BestOfPolicy
from turn_rl_ros.core.policy import ArgmaxPolicy, CategoricalPolicy, FilteredPolicy, TanhPolicy

POLICIES: dict[str, type[TanhPolicy | BestOfPolicy | ArgmaxPolicy]] = {
    one.kind: one for one in (TanhPolicy, BestOfPolicy, ArgmaxPolicy, CategoricalPolicy, FilteredPolicy)
}
