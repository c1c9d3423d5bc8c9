"""What holds for any history and any layers."""

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.images.base_updates import leading_match
from mcp_dockerhub.images.matching import match_history
from mcp_dockerhub.reference import Digest
from mcp_dockerhub.registry.models import Descriptor, HistoryEntry

HISTORIES = st.lists(
    st.builds(HistoryEntry, created=st.none(), created_by=st.text(max_size=5), empty_layer=st.booleans()), max_size=12
)
LAYERS = st.lists(st.integers(0, 9).map(lambda n: Descriptor("x.tar", Digest(f"sha256:{n:064}"), n)), max_size=12)


@given(HISTORIES, LAYERS)
def test_either_every_layer_has_the_step_that_made_it_or_none_has(
    history: list[HistoryEntry], layers: list[Descriptor]
) -> None:
    matched = match_history(history, layers)
    assert [step.entry for step in matched.steps] == history
    assert len(matched.makers) == len(layers)
    paired = [step.layer for step in matched.steps if step.layer is not None]
    if matched.problem:
        assert not paired
        assert not any(matched.makers)
    else:
        assert paired == layers
        assert list(matched.makers) == [entry for entry in history if not entry.empty_layer]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_the_leading_match_is_the_longest_common_beginning(one: list[str], other: list[str]) -> None:
    same = leading_match(one, other)
    assert one[:same] == other[:same]
    assert one[same : same + 1] != other[same : same + 1] or same == min(len(one), len(other))
