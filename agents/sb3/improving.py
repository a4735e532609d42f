"""``ppo_from``: PPO that begins as a fitted recommender and improves it among users."""

from __future__ import annotations

from typing import Any

from agents.recommender import Recommender
from agents.sb3.policies import MaskableItemPolicy, begin_with
from llmrec_env.common.extras import require
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.sb3 import make_vec_env
from llmrec_env.users.base import UserSimulator

require("sb3_contrib", "sb3")
from sb3_contrib import MaskablePPO  # noqa: E402

TEMPERATURE = 0.25
"""By which the recommender's scores are divided: what it draws earns nearly what its best earns."""
VECTOR_LENGTH = 3.0
"""Of the simulator's item vectors as the policy sees them: longer ones learn faster."""


def ppo_from(
    recommender: Recommender,
    simulator: UserSimulator,
    users: InteractionLog | None = None,
    envs: int = 128,
    seed: int = 0,
    learning_rate: float = 1e-3,
    **settings: Any,
) -> MaskablePPO:
    """PPO that begins as a recommender; ``learn(steps)`` improves it among simulated users.

    It reads ``observation="both"``: the recommender's encoder, which stays as it is, reads the
    history, and beside it stand the user's state and what was shown. Logits are linear in all of
    these (:class:`~agents.sb3.policies.ItemLogits`), over the recommender's item table and the
    simulator's item vectors, so at first they are the recommender's scores alone, and what is
    learned of one item holds for all that resemble it. Seen items are masked. ::

        model = ppo_from(recommender, simulator, train, pessimism=1.0).learn(40_000)
        evaluate_policy(SB3Policy(model), simulator)

    Args:
        recommender: fitted on the simulator's catalogue; not one that serves with its states.
        simulator: who answers, and whose states and item vectors the policy sees.
        users: whose initial histories start the episodes; the simulator's own where None.
        envs: users asked at once.
        seed: of PPO and of the environment.
        learning_rate: of the map from features to items, and of the critic.
        settings: further keywords of the environment, such as ``pessimism``.

    Raises:
        SettingError: the recommender is none, knows other items, or serves with a simulator's
            states.
    """
    env = make_vec_env(
        envs, seed=seed, simulator=simulator, users=users, observation="both", **settings
    )
    vectors = VECTOR_LENGTH * simulator.item_vectors
    return MaskablePPO(
        MaskableItemPolicy,
        env,
        n_steps=16,
        batch_size=min(512, 16 * envs),
        n_epochs=4,
        gamma=0.9,
        gae_lambda=0.9,
        learning_rate=learning_rate,
        policy_kwargs=begin_with(recommender, True, TEMPERATURE, vectors),
        seed=seed,
        device="cpu",
    )
