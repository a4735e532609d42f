"""What is paid where a simulator may be wrong: ensembles, pessimism, support, a drawn member."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, SEQUENCES, EvenUser, make_log
from gymnasium.utils.env_checker import check_env
from numpy.testing import assert_allclose, assert_array_equal

import llmrec_env
from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.users.base import Histories, Response
from llmrec_env.users.ensemble import UserEnsemble
from llmrec_env.users.states_from import StatesFrom

gym.register_envs(llmrec_env)
pytestmark = pytest.mark.core


class OwnView(EvenUser):
    """Likes item ``i`` by ``base + slope * i`` and takes any at one chance; names low items."""

    def __init__(self, base: float, slope: float, chance: float = 0.5) -> None:
        super().__init__(make_log(SEQUENCES))
        self.base, self.slope, self.chance = base, slope, chance

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        """The same for everyone."""
        liking = self.base + self.slope * actions
        return Response(
            liking.astype(np.float32), np.full(len(actions), self.chance, dtype=np.float32)
        )

    def preferences(self, states: FloatArray) -> FloatArray:
        """Logits that fall with the number of the item."""
        falling = -0.5 * np.arange(N_ITEMS, dtype=np.float32)
        return np.broadcast_to(falling, (len(states), N_ITEMS))


VIEWS = [(0.2, 0.05, 0.1), (0.2, 0.03, 0.5), (0.2, 0.01, 0.9)]
"""Three who agree about item 0, and the less the higher its number."""


@pytest.fixture(scope="module")
def three() -> UserEnsemble:
    """Those three side by side."""
    return UserEnsemble([OwnView(*view) for view in VIEWS])


def first_step(simulator: Any, action: int, **doubt: Any) -> tuple[float, dict[str, Any]]:
    """Reward and info of one step with bob."""
    env = gym.make("LLMRec/NextItem-v1", simulator=simulator, **doubt)
    env.reset(seed=0, options={"user_id": "bob"})
    _, reward, *_, info = env.step(action)
    return float(reward), info


def test_an_ensemble_answers_in_the_mean_and_says_by_how_much_it_is_unsure(
    three: UserEnsemble,
) -> None:
    reward, info = first_step(three, 10)
    likings = np.array([0.7, 0.5, 0.3])
    assert reward == pytest.approx(likings.mean())
    assert info["uncertainty"] == pytest.approx(likings.std())
    assert info["accept_uncertainty"] == pytest.approx(np.std([0.1, 0.5, 0.9]))
    assert info["rewards"]["chance"] == pytest.approx(0.5)
    assert "simulated_reward" not in info
    assert first_step(three, 0)[1]["uncertainty"] == pytest.approx(0.0, abs=1e-6)
    assert "uncertainty" not in first_step(OwnView(0.2, 0.05), 10)[1]


def test_pessimism_pays_less_where_the_members_disagree(three: UserEnsemble) -> None:
    likings = np.array([0.7, 0.5, 0.3])
    reward, info = first_step(three, 10, pessimism=1.5)
    assert reward == pytest.approx(likings.mean() - 1.5 * likings.std())
    assert info["rewards"]["shown"] == pytest.approx(reward)
    assert info["simulated_reward"] == pytest.approx(0.5)
    assert first_step(three, 10, quantile=0.25)[0] == pytest.approx(0.4)
    assert first_step(three, 10, pessimism=100.0)[0] == 0.0
    assert first_step(three, 0, pessimism=100.0)[0] == pytest.approx(0.2, abs=1e-3)


def test_what_the_logs_users_hardly_take_is_worth_less(three: UserEnsemble) -> None:
    chances = np.exp(-0.5 * np.arange(N_ITEMS))
    support = np.minimum(1.0, N_ITEMS * chances / chances.sum())
    for simulator in (three, OwnView(0.2, 0.03)):
        for item in (0, 1, 10):
            reward, info = first_step(simulator, item, support_penalty=0.5)
            kept = 1 - 0.5 * (1 - support[item])
            assert info["simulated_reward"] == pytest.approx(0.2 + 0.03 * item)
            assert reward == pytest.approx((0.2 + 0.03 * item) * kept, abs=1e-6)
    assert support[1] == 1.0


def test_one_member_answers_a_whole_episode(three: UserEnsemble) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=three, randomise="episode", patience=20)
    drawn, taken = [], np.zeros(3)
    for seed in range(60):
        _, info = env.reset(seed=seed, options={"user_id": "bob"})
        member = info["member"]
        drawn.append(member)
        for action in (9, 10, 11):
            _, reward, *_, info = env.step(action)
            base, slope, _ = VIEWS[member]
            assert reward == pytest.approx(base + slope * action)
            assert info["member"] == member
            assert "simulated_reward" not in info
            taken[member] += info["accepted"]
    rates = taken / (3 * np.bincount(drawn, minlength=3))
    assert_allclose(rates, [0.1, 0.5, 0.9], atol=0.2)
    assert min(np.bincount(drawn)) > 10


@pytest.mark.parametrize(
    "doubt",
    [
        {"pessimism": 1.0},
        {"quantile": 0.3},
        {"randomise": "episode"},
        {"support_penalty": 0.5},
        {"randomise": "episode", "support_penalty": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["LLMRec/NextItem-v1", "LLMRec/Slate-v0"])
def test_a_row_of_many_is_the_single_environment(
    name: str, doubt: dict[str, Any], three: UserEnsemble
) -> None:
    kwargs = doubt | {"simulator": three} | ({"slate_size": 3} if "Slate" in name else {})
    envs = gym.make_vec(name, num_envs=3, **kwargs, autoreset="same_step", patience=2)
    singles = [gym.make(name, **kwargs, patience=2) for _ in range(3)]
    check_env(singles[0].unwrapped, skip_render_check=True)
    envs.reset(seed=5)
    for row, env in enumerate(singles):
        env.reset(seed=5 + row)
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions = rng.integers(N_ITEMS, size=(3, 3) if "Slate" in name else 3)
        _, rewards, ended, cut, infos = envs.step(actions)
        for row, env in enumerate(singles):
            _, reward, terminated, truncated, info = env.step(actions[row])
            assert (reward, terminated, truncated) == (
                pytest.approx(float(rewards[row])),
                ended[row],
                cut[row],
            )
            if terminated or truncated:
                told, (_, info) = infos["final_info"], env.reset()
                assert told["uncertainty"].shape == (3,)
            for key in ("uncertainty", "accept_uncertainty", "simulated_reward", "member"):
                assert (key in info) == (key in infos)
                if key in info:
                    assert info[key] == pytest.approx(float(infos[key][row]))


def test_the_checker_of_stable_baselines3_has_nothing_to_say(three: UserEnsemble) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    for doubt in ({"pessimism": 1.0}, {"randomise": "episode"}):
        checker.check_env(gym.make("LLMRec/NextItem-v1", simulator=three, **doubt))


@pytest.mark.parametrize(
    ("doubt", "says"),
    [
        ({"pessimism": 1.0}, "pessimism=1.0 is for an ensemble, and OwnView answers alone"),
        ({"quantile": 0.1}, "llmrec ensemble"),
        ({"randomise": "episode"}, "UserEnsemble"),
    ],
)
def test_who_answers_alone_is_refused_by_name(doubt: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        gym.make("LLMRec/NextItem-v1", simulator=OwnView(0.2, 0.05), **doubt)


def test_wrong_doubts_are_refused(three: UserEnsemble, even_user: EvenUser) -> None:
    for doubt, says in (
        ({"pessimism": -1.0}, "pessimism must be a finite number of at least 0"),
        ({"quantile": 2.0}, "quantile must lie in"),
        ({"support_penalty": 3}, "support_penalty must lie in"),
        ({"randomise": "step"}, "randomise must be one of"),
        ({"pessimism": 1.0, "quantile": 0.5}, "do not go together"),
    ):
        with pytest.raises(SettingError, match=says):
            first_step(three, 0, **doubt)
    with pytest.raises(SettingError, match="has no action model"):
        first_step(even_user, 0, support_penalty=0.5)


def test_an_ensemble_needs_simulators_that_go_together(even_user: EvenUser) -> None:
    with pytest.raises(SimulatorError, match="at least two UserSimulators, got 1"):
        UserEnsemble([even_user])
    with pytest.raises(SimulatorError, match="got str"):
        UserEnsemble([even_user, "embedded"])  # type: ignore[list-item]
    other = EvenUser(make_log(SEQUENCES, n_items=20))
    with pytest.raises(DataError, match="a member of the ensemble"):
        UserEnsemble([even_user, other])


def test_all_members_follow_what_is_taken_and_who_comes(three: UserEnsemble) -> None:
    session = three.open([np.array([0, 1]), np.array([2])])
    session.respond(np.array([4, 5]))
    states = session.commit(np.array([True, False]))
    assert_allclose(states[:, 1], [1 / 3, 1])
    assert_allclose(session.replace(np.array([1]), [np.arange(4)])[:, 1], [1 / 3, 1 / 4])
    for alone in session.sessions:  # type: ignore[attr-defined]
        assert_array_equal(alone.states, session.states)
    rates = three.answers([np.array([0])], np.array([[3, 6]]))
    assert_allclose(rates.reward, [[0.29, 0.38]], atol=1e-6)


def test_an_ensemble_seen_through_other_states_is_one_still(three: UserEnsemble) -> None:
    seen = StatesFrom(three, observer=OwnView(0.5, 0.0))
    found, expected = (first_step(own, 10, pessimism=1.5) for own in (seen, three))
    assert found[0] == expected[0]
    assert found[1]["uncertainty"] == expected[1]["uncertainty"] > 0


def test_a_session_that_does_not_say_what_its_members_answered_is_refused() -> None:
    class Silent(OwnView):
        n_members = 3  # type: ignore[assignment]

    for doubt in ({}, {"pessimism": 1.0}, {"randomise": "episode"}):
        with pytest.raises(SimulatorError, match="Silent has 3 members, so after respond"):
            first_step(Silent(0.2, 0.05), 10, **doubt)


def test_what_one_member_cannot_answer_about_counts_as_seen() -> None:
    class KnowsLittle(OwnView):
        def unknown_items(self, user: int) -> IntArray:
            return np.array([10, 11])

    ensemble = UserEnsemble([OwnView(0.2, 0.05), KnowsLittle(0.2, 0.01)])
    env = gym.make("LLMRec/NextItem-v1", simulator=ensemble, quantile=0.0)
    _, info = env.reset(seed=0, options={"user_id": "bob"})
    assert_array_equal(np.flatnonzero(info["action_mask"] == 0), [3, 4, 5, 10, 11])
