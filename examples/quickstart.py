"""Show one simulated user a few random items and watch the answers.

You see the user's initial history and, for every step, the item shown, whether the user took it,
how much they liked it and how much patience is left; at the end, what the episode earned. The
reward is the liking of what was shown, paid also when it is skipped; `reward_on="accept"` of
`gym.make` pays it only when it is taken.

    python examples/quickstart.py --steps 10
"""

import argparse

import gymnasium as gym

import llmrec_env

gym.register_envs(llmrec_env)


def main(steps: int, seed: int) -> None:
    """Recommend at random among the items that the user has not seen."""
    env = gym.make("LLMRec/NextItem-v1", render_mode="ansi")
    env.action_space.seed(seed)
    _, info = env.reset(seed=seed)
    print(env.render())
    earned = 0.0
    for _ in range(steps):
        item = env.action_space.sample(info["action_mask"])
        _, reward, terminated, truncated, info = env.step(item)
        print(env.render())
        earned += reward
        if terminated or truncated:
            break
    print(f"return {earned:.2f} · {'the user left' if terminated else 'the user is still here'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10, help="items to show at most")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
