"""sb3-contrib's MaskablePPO never shows an item twice, neither while it learns nor afterwards.

You see a progress bar while it learns, then what it recommends to one held-out user, item by item,
with a tick where the user took it.

    python examples/sb3_maskable_ppo.py --steps 20000
"""

import argparse

import gymnasium as gym
from sb3_contrib import MaskablePPO

import llmrec_env
from agents.sb3 import MaskableItemPolicy, language_vectors
from llmrec_env.data.splits import split_by_user
from llmrec_env.users.language import embedded_user


def main(steps: int, seed: int) -> None:
    """Train with masks, then recommend with masks."""
    train = split_by_user(llmrec_env.generate_world().log).train
    model = MaskablePPO(
        MaskableItemPolicy,
        llmrec_env.make_vec_env(32, seed=seed, users=train),
        n_steps=32,
        batch_size=256,
        n_epochs=4,
        gamma=0.8,
        learning_rate=1e-3,
        seed=seed,
        policy_kwargs={"item_vectors": 6 * language_vectors(embedded_user())},
    )
    model.learn(steps, progress_bar=True)

    env = gym.make("LLMRec/NextItem-v1")
    observation, info = env.reset(seed=seed)
    print(f"user {info['user_id']}")
    terminated = truncated = False
    while not (terminated or truncated):
        masks = env.get_wrapper_attr("action_masks")()
        item, _ = model.predict(observation, action_masks=masks, deterministic=True)
        observation, reward, terminated, truncated, info = env.step(item)
        print(f"{'✓' if info['accepted'] else '·'} {reward:.2f}  {info['title']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000, help="items shown in training")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
