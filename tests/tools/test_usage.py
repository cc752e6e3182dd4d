import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.tools.usage import added_up
from chatstream.types import CompletionUsage, build


def usage(**members):
    return build(CompletionUsage, members)


def counts(total):
    return total.model_dump(exclude_none=True)


def test_nothing_adds_up_to_nothing():
    assert added_up([]) is None
    assert added_up([None, None]) is None


def test_what_is_there_is_added_and_the_rest_passed_over():
    one = usage(prompt_tokens=10, completion_tokens=2, total_tokens=12)
    total = added_up([None, one, None, one, one])
    assert type(total) is CompletionUsage
    assert counts(total) == {"prompt_tokens": 30, "completion_tokens": 6, "total_tokens": 36}


def test_details_are_added_member_by_member_also_those_that_only_some_have():
    total = added_up(
        [
            usage(total_tokens=1, prompt_tokens_details={"cached_tokens": 4}),
            usage(total_tokens=1, completion_tokens_details={"reasoning_tokens": 5}),
            usage(total_tokens=1, prompt_tokens_details={"cached_tokens": 1, "audio_tokens": 2}),
            usage(total_tokens=1, prompt_tokens_details=None),
        ]
    )
    assert counts(total) == {
        "total_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert total.prompt_tokens_details.cached_tokens == 5  # typed, as a service's own are


def test_numbers_that_only_some_services_send_are_added_too():
    total = added_up([usage(total_tokens=1, cost=0.25, vendor={"queue_time": 1.5})] * 2)
    assert counts(total) == {"total_tokens": 2, "cost": 0.5, "vendor": {"queue_time": 3.0}}


@pytest.mark.parametrize("odd", ["fast", True, [1, 2], None])
def test_what_is_no_number_is_of_one_request_and_left_out(odd):
    assert counts(added_up([usage(total_tokens=1, tier=odd)] * 2)) == {"total_tokens": 2}


@pytest.mark.parametrize("odd", ["12", {"a": 1}, [1], True])
def test_a_count_of_another_type_is_passed_over_for_those_that_are_numbers(odd):
    number, other = usage(total_tokens=3), usage(total_tokens=odd)
    assert counts(added_up([number, other, number]))["total_tokens"] == 6


def test_a_count_that_is_an_object_first_gives_way_to_the_numbers():
    assert counts(added_up([usage(total_tokens={"a": 1}), usage(total_tokens=3)]))["total_tokens"] == 3


def test_what_a_peer_sent_in_place_of_a_usage_is_none():
    assert added_up(["many", {"total_tokens": 1}, 7]) is None


def test_what_was_given_is_not_changed():
    one = usage(total_tokens=1, prompt_tokens_details={"cached_tokens": 4})
    before = one.model_dump()
    added_up([one, one])
    assert one.model_dump() == before


NUMBERS = st.integers(0, 2**60)
USAGES = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": NUMBERS,
        "total_tokens": NUMBERS,
        "prompt_tokens_details": st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), NUMBERS),
    },
)


@given(st.lists(USAGES, min_size=1), st.randoms(use_true_random=False))
def test_the_order_does_not_matter_and_sums_of_sums_are_sums(members, dice):
    usages = [usage(**each) for each in members]
    total = added_up(usages)
    at = len(usages) // 2
    assert added_up([added_up(usages[:at]), added_up(usages[at:])]) == total
    dice.shuffle(usages)
    assert added_up(usages) == total
    assert (total.total_tokens or 0) == sum(each.get("total_tokens", 0) for each in members)
