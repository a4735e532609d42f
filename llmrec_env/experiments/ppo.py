"""PPO as experiments train it: many users at once, items scored by the vectors of the LE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llmrec_env.common.extras import require
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.language import LanguageUser

VECTOR_LENGTH = 6.0  # of the items as PPO sees them: longer vectors learn faster
ENVS = 64
"""Users that PPO asks at once."""
Point = dict[str, float]
"""A point of a learning curve: "step" and "return"."""


def make_ppo(
    simulator: LanguageUser,
    users: InteractionLog,
    total: int,
    envs: int = ENVS,
    seed: int = 0,
    **settings: Any,
) -> Any:
    """PPO of stable-baselines3 that has learned nothing yet.

    Args:
        simulator: who answers, and whose vectors the items have.
        users: whose initial histories start the episodes.
        total: environment steps that it is to learn for.
        envs: users asked at once.
        seed: of its weights and of the environment.
        settings: further keywords of the environment, such as ``pessimism``.
    """
    require("stable_baselines3", "sb3")
    from stable_baselines3 import PPO

    from agents.sb3 import ItemPolicy, language_vectors
    from llmrec_env.envs.sb3 import make_vec_env

    n_steps = max(8, min(32, total // envs // 8 * 8))
    return PPO(
        ItemPolicy,
        make_vec_env(envs, seed=seed, simulator=simulator, users=users, **settings),
        n_steps=n_steps,
        batch_size=min(512, n_steps * envs),
        n_epochs=4,
        learning_rate=1e-3,
        gamma=0.8,
        ent_coef=0.001,
        policy_kwargs={"item_vectors": VECTOR_LENGTH * language_vectors(simulator)},
        seed=seed,
        device="cpu",
    )


def train_ppo(
    simulator: LanguageUser,
    users: InteractionLog,
    total: int,
    envs: int = ENVS,
    seed: int = 0,
    stages: Sequence[int] = (),
    keep: Callable[[Any, int], None] | None = None,
) -> tuple[Any, list[Point]]:
    """PPO that has learned among simulated users, and its learning curve.

    Args:
        simulator, users, total, envs, seed: as for :func:`make_ppo`.
        stages: environment steps, ascending, after which ``keep`` is called.
        keep: is given the model as it stands and the number of the stage, from 0; once for each
            stage, at the first update after it, and at the end for those that are left.
    """
    model = make_ppo(simulator, users, total, envs, seed)
    from stable_baselines3.common.callbacks import BaseCallback

    curve: list[Point] = []
    left = list(enumerate(stages))

    def reached(steps: float) -> None:
        while keep is not None and left and steps >= left[0][1]:
            keep(model, left.pop(0)[0])

    with progress_bar("PPO", total) as advance:

        class Curve(BaseCallback):
            """One point a rollout: the mean return of the last hundred episodes."""

            def _on_step(self) -> bool:
                advance(envs, "")
                return True

            def _on_rollout_start(self) -> None:
                reached(self.num_timesteps)

            def _on_rollout_end(self) -> None:
                recent = [episode["r"] for episode in self.model.ep_info_buffer or []]
                if recent:
                    curve.append({"step": self.num_timesteps, "return": float(np.mean(recent))})

        model.learn(total, callback=Curve())
    reached(np.inf)
    return model, curve
