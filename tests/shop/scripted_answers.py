"""What a scripted model answers to pages, as the scripts of ``chat_server`` do."""

from __future__ import annotations

import re


def first_hit(messages: list[dict[str, str]]) -> tuple[int, str]:
    """Search for the instruction, open the first hit, buy; read from the last message alone."""
    page = messages[-1]["content"].rsplit("You see:\n", 1)[-1].split("\n")
    if "click[buy now]" in page:
        action = "click[buy now]"
    elif "search[any words]" in page:
        action = f"search[{page[0].removeprefix('Instruction: ')}]"
    else:
        action = next(line for line in page if re.fullmatch(r"click\[g\w{5}\]", line))
    return 200, f"<think>click[x]?</think> <action>{action}</action>"


def likes_a_hit(messages: list[dict[str, str]]) -> tuple[int, str]:
    """Search for gentle fantasy, then recommend one found item after the other."""
    said = "\n".join(message["content"] for message in messages)
    hits = re.findall(r"^.+ \[(i\d+)\]: ", said, re.MULTILINE)
    if not hits:
        return 200, "search[gentle fantasy]"
    shown = said.count("recommend[i")
    return 200, f"recommend[{hits[shown]}]"
