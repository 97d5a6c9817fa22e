"""Numbers that are drawn by mixing bits behave as chance would, between cars, steps and purposes."""

from __future__ import annotations

import numpy as np
import pytest
from fleet.draw import Purpose, draw, keys

MANY = 4000


def _tables() -> dict[str, np.ndarray]:
    """Uniform numbers of neighbouring cars, of one car's steps, and of one step's purposes."""
    cars, one = keys(1, range(MANY)), np.repeat(keys(1, range(1)), MANY)
    return {
        "cars": draw(cars, np.zeros(MANY)).uniforms(Purpose.NOISE)[0],
        "steps": draw(one, np.arange(float(MANY))).uniforms(Purpose.NOISE)[0],
        "purposes": draw(one[:1], np.zeros(1)).uniforms(Purpose.PHASE, MANY)[:, 0],
        "seeds": np.array([draw(keys(seed, range(1)), np.zeros(1)).uniforms(Purpose.PHASE)[0, 0] for seed in range(-2000, 2000)]),
    }


@pytest.mark.parametrize(("name", "numbers"), _tables().items())
def test_numbers_are_even_and_neighbours_know_nothing_of_each_other(name: str, numbers: np.ndarray) -> None:
    assert len(set(numbers.tolist())) == MANY, name
    counts = np.bincount((numbers * 20).astype(np.intp), minlength=20)
    assert ((counts - MANY / 20) ** 2 / (MANY / 20)).sum() < 43.8  # chi square of 19 degrees, 1 in 1000
    for apart in (1, 2, 7):
        assert abs(np.corrcoef(numbers[:-apart], numbers[apart:])[0, 1]) < 3.5 / MANY**0.5


def test_normal_numbers_have_mean_0_deviation_1_and_an_end() -> None:
    noise = draw(keys(1, range(MANY)), np.ones(MANY)).normals(Purpose.NOISE, 12)
    assert noise.shape == (12, MANY)
    assert noise.mean() == pytest.approx(0.0, abs=0.02)
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    assert np.abs(noise).max() < 3.5
    assert np.abs(np.corrcoef(noise) - np.eye(12)).max() < 0.06


def test_some_of_the_devices_draw_what_they_draw_among_all() -> None:
    everyone = draw(keys(7, range(10)), np.arange(10.0))
    assert np.array_equal(everyone.of(np.array([8, 3])).uniforms(Purpose.LIFE, 7), everyone.uniforms(Purpose.LIFE, 7)[:, [8, 3]])
