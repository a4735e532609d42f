"""Many agents at once on one OpenEnv server, of the shop or of users to recommend to.

    python examples/other_libraries/make_venv.py openenv
    .venvs/openenv/bin/python examples/other_libraries/openenv_sessions.py --agents 8

The agents follow a rule: the shopper searches for the instruction and buys the first hit, the
recommender searches for a title that the user took and recommends what it finds. A language model
would write an answer in place of the rule's. Without --base-url a server is started here.
"""

import argparse
import asyncio
import re
import subprocess
import sys

from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.language_agents.openenv import RecommendClient, ShopClient

COMMANDS = {"shop": ["shop", "openenv"], "recommender": ["openenv"]}
CLIENTS = {"shop": ShopClient, "recommender": RecommendClient}


def first_hit(seen):
    """The shopper's answer to what it sees."""
    buying = "click[buy now]"
    if seen.can_search:
        return f"<action>search[{seen.instruction}]</action>"
    opening = [own for own in seen.valid_actions if re.fullmatch(r"click\[\w{6,10}\]", own)]
    return f"<action>{buying if buying in seen.valid_actions else opening[0]}</action>"


def like_the_last(seen):
    """The recommender's answer to what it sees."""
    if seen.hits:
        return f"<action>recommend[{seen.hits[0]}]</action>"
    title = seen.text.split("\n", 1)[0].rsplit("| ", 1)[-1].split(" [")[0]
    return f"<action>search[{title}]</action>"


RULES = {"shop": first_hit, "recommender": like_the_last}


async def episodes(args, number, url):
    """One agent's episodes; what each earned."""
    earned = []
    async with CLIENTS[args.environment](base_url=url) as client:
        for episode in range(args.episodes):
            result = await client.reset(seed=number * args.episodes + episode)
            total = 0.0
            while not result.done:
                answer = RULES[args.environment](result.observation)
                result = await client.step(answer)
                total += result.reward
            earned.append(total)
    return earned


async def main(args, url):
    """Let all agents play at once."""
    returns = await asyncio.gather(*[episodes(args, i, url) for i in range(args.agents)])
    for number, earned in enumerate(returns):
        print(f"agent {number}  mean return {sum(earned) / len(earned):.2f}")
    print(f"all      mean return {sum(map(sum, returns)) / (args.agents * args.episodes):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--environment", choices=CLIENTS, default="shop", help="which environment")
    parser.add_argument("--base-url", help="of a server that runs, such as http://127.0.0.1:8000")
    parser.add_argument("--agents", type=int, default=8, help="sessions at once")
    parser.add_argument("--episodes", type=int, default=4, help="of each agent")
    arguments = parser.parse_args()
    if arguments.base_url:
        asyncio.run(main(arguments, arguments.base_url))
    else:
        command = [sys.executable, "-m", "llmrec_env.cli", *COMMANDS[arguments.environment]]
        with subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                asyncio.run(main(arguments, server.stdout.readline().split()[-1]))
            finally:
                server.terminate()
