"""LoadBalancer: the regions of each request."""

from __future__ import annotations

import random
from collections import Counter

from llmmanager.bedrock.models.parallel_structures import LoadBalancingStrategy
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer

REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]


def test_round_robin_starts_with_the_next_region_for_each_request() -> None:
    balancer = LoadBalancer(REGIONS, LoadBalancingStrategy.ROUND_ROBIN)
    chosen = []
    for _ in range(4):
        with balancer.assigned(2) as regions:
            chosen.append(regions)
    assert chosen == [
        ["us-east-1", "us-west-2"],
        ["us-west-2", "eu-central-1"],
        ["eu-central-1", "us-east-1"],
        ["us-east-1", "us-west-2"],
    ]


def test_random_uses_every_region_first_and_repeats_none_in_a_request() -> None:
    balancer = LoadBalancer(REGIONS, LoadBalancingStrategy.RANDOM, random.Random(1))
    first: Counter[str] = Counter()
    for _ in range(300):
        with balancer.assigned(3) as regions:
            assert sorted(regions) == sorted(REGIONS)
            first[regions[0]] += 1
    assert all(count > 60 for count in first.values())


def test_least_loaded_takes_the_region_with_the_fewest_requests_in_flight() -> None:
    balancer = LoadBalancer(REGIONS, LoadBalancingStrategy.LEAST_LOADED)
    with balancer.assigned(1) as first, balancer.assigned(1) as second:
        assert (first, second) == (["us-east-1"], ["us-west-2"])
        with balancer.assigned(1) as third:
            assert third == ["eu-central-1"]
        with balancer.assigned(2) as fourth:
            assert fourth == ["eu-central-1", "us-east-1"]
    with balancer.assigned(1) as fifth:
        assert fifth == ["us-east-1"]
