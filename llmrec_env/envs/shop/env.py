"""``ShopEnv``: one agent shops for an instruction, ``gym.make("LLMRec/Shop-v0")``."""

from __future__ import annotations

import os

from llmrec_env.envs.common.arguments import named_arguments
from llmrec_env.envs.common.single import RulesEnv
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.inventory import CatalogueSource
from llmrec_env.envs.shop.protocol.protocol import ShopProtocol
from llmrec_env.envs.shop.reward import RewardRule
from llmrec_env.envs.shop.rules import Outcome, ShopRules
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import ActionSettings, Shopper
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS, PromptView
from llmrec_env.envs.shop.views.shop_view import ShopView, draw
from llmrec_env.envs.text.budget import Pieces


class ShopEnv(RulesEnv[Outcome]):
    """Buy what an instruction asks for, in a shop of text pages.

    ## Description
    The shopper reads an instruction ("Find me sulfate free shampoos with scent: rose, and price
    lower than 20.00 dollars"), searches, opens products, chooses options and buys. The task is that
    of WebShop (Yao et al., NeurIPS 2022), without a web server: pages are structures that become
    text on demand, and all environments of a process share one catalogue and one index.

    ## Action Space
    With `action_mode="text"`, a `Text`: `search[words]` on the index page, `click[value]` on
    buttons, in any case. With `action_mode="index"`, `Discrete(max_actions)`: the place of an
    action in `info["valid_actions"]`; `action_masks()` is true where there is one. Its searches are
    the instruction, the instruction without options and price, and the kind of thing it names.
    Where a page has more than `max_actions` buttons, the option values that have least in common
    with the instruction are left out.

    | Page | Buttons |
    |---|---|
    | index | any search |
    | results, 10 a page of at most 50 | `back to search`, `next >`, `< prev`, the asins |
    | item | `back to search`, `< prev`, values, `description`, `features`, `reviews`, `buy now` |
    | description, features, reviews | `back to search`, `< prev` |

    A second value of an option replaces the first. A value that two options share, or that is also
    a button's name, is `click[option: value]` from its second time on. An invalid action changes
    nothing and is reported.

    ## Observation Space
    `"features"` needs `action_mode="index"`; the others go with both modes.

    | `observation` | Space |
    |---|---|
    | `"text"` | `Text`: what is visible, joined by ` [SEP] ` |
    | `"text_rich"` | `Text`: a line each; `[button] x [button_]`, clicked `[clicked button] …` |
    | `"prompt"` | `Text` for language models: a line each, `click[x]` where its button stands |
    | `"html"` | `Text`: a page of HTML with one form, everything escaped |
    | `"url"` | `Text`: the address of the page |
    | `"dict"` | `Dict`: page, instruction, query, page_number, results, product, options, score |
    | `"features"` | `Dict` of arrays: state, instruction, product, actions, action_mask |

    A `"prompt"` has `prompt_tokens` tokens at most; how a longer page is cut, and the rule:
    :class:`llmrec_env.envs.shop.views.prompt.PromptView`.

    The form of an HTML page works in a browser: the field and the buttons send `?search=words` or
    `?action=click[value]`, which :func:`llmrec_env.envs.shop.views.rendering.submitted` turns into
    the action for `step`.

    ## Starting State
    The index page, with a goal of the split, drawn with the environment's seed in proportion to the
    goals' weights, or the one that `reset(options={"goal": index})` names.

    ## Rewards
    0 until `buy now`, then in [0, 1]; an invalid action costs `invalid_penalty`. With
    `reward="repaired"` a purchase earns the share of attributes, options, price and, where wanted,
    rating that are right, times 1 for the kind of thing that was asked for (same query, same
    category: :func:`llmrec_env.envs.shop.kinds.is_kind`) and 0.5, 0.1 or 0 for another; options
    count as whole values, colours as words, and every goal can be reached. `reward="webshop"` is
    the published rule. A callable `(goal, purchase) -> Verdict` takes their place.

    ## Episode End
    Termination: `buy now`. Truncation: after `max_episode_steps`.

    ## Information
    `goal_index`, `valid_actions` (a tuple of texts; on the index page the three searches),
    `can_search` (any words are valid), `action_is_valid` (the last action could be done),
    `action_is_effective` (it changed something: a value that was chosen already can be clicked, and
    nothing changes), `success` (the reward was 1), `instruction`, and `rewards` (the terms by name;
    empty before a purchase); in index mode `action_mask` (int8, as `Discrete.sample` takes it).
    `reset` and `step` have the same names. As numbers alone:
    `llmrec_env.envs.common.infos.NumericInfo` around the environment.

    ## Arguments
    * `catalogue`: a number of products to generate (1,000 by default, up to millions), a folder
      with the public WebShop files or a saved catalogue, or a `Catalogue`.
    * `instructions`: `"synthetic"` (the default); `"human"`, where the catalogue has them;
      `"paraphrased"` (generated catalogues): options and attributes in other words, of which
      validation and test goals have their own, with distractors and several limits; the path of a
      JSON file that has some of them in words of somebody else's; or a `GoalSet` with goals of
      one's own.
    * `reward`: `"repaired"` (the default), `"webshop"` or a callable.
    * `split`: `"train"`, `"validation"`, `"test"` or `"all"` goals; `split_by`: `"product"` (the
      default) or `"goal"`, what the splits do not share; `"position"`, the field's own split, by
      place in the published order: test 0 to 499, validation to 1,499, train the rest.
    * `goals_per_product`: at most so many goals of one product; None for all.
    * `goal_seed`: draws prices, limits and splits, 0 by default; all environments of an experiment
      share it.
    * `protocol`: a name, a file or a
      :class:`~llmrec_env.envs.shop.protocol.protocol.ShopProtocol`, which fixes all of the above
      but a folder of files and the split, so that results can be compared; a setting of another
      value beside it is refused.
    * `observation`, `action_mode`, `max_actions`, `invalid_penalty`: see above.
    * `prompt_tokens`: tokens of a `"prompt"`; `pieces`: a function that splits a text into its
      tokens (each as text; `agents.shop.prompts.token_pieces(tokenizer)` gives that of a language
      model), None for an estimate.
    * `max_episode_steps`: as in :class:`NextItemEnv`; `gym.make` has 15 by default.
    * `render_mode`: `"ansi"` (text from `render()`), `"human"` (printed at every step) or None.

    ```python
    import gymnasium as gym, llmrec_env
    env = gym.make("LLMRec/Shop-v0", observation="text_rich", split="test")
    ```

    ## Version History
    * v0: first version.
    """

    rules: ShopRules
    draw = staticmethod(draw)

    @named_arguments
    def __init__(
        self,
        catalogue: CatalogueSource = None,
        instructions: str | os.PathLike[str] | GoalSet | None = None,
        reward: str | RewardRule | None = None,
        split: str = "train",
        split_by: str | None = None,
        goals_per_product: int | None = None,
        goal_seed: int | None = None,
        protocol: str | os.PathLike[str] | ShopProtocol | None = None,
        observation: str = "text_rich",
        action_mode: str = "text",
        max_actions: int = 100,
        invalid_penalty: float = 0.0,
        prompt_tokens: int = PROMPT_TOKENS,
        pieces: Pieces | None = None,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.shop = Shop(
            catalogue, instructions, reward, goal_seed, split, split_by, goals_per_product, protocol
        )
        self.shop.check_limits("max_episode_steps", max_episode_steps, prompt_tokens)
        self.action_settings = ActionSettings(action_mode, max_actions, invalid_penalty)
        rules = ShopRules(self.shop, self.action_settings, 1)
        view = ShopView(rules, observation, PromptView(prompt_tokens, pieces))
        super().__init__(rules, view, view, max_episode_steps, render_mode)

    def cut_outside(self, limit: int | None) -> None:
        """Take over the limit that ``gym.make`` was given.

        Raises:
            SettingError: it is not the protocol's.
        """
        self.shop.check_limits("max_episode_steps", limit, 0)
        super().cut_outside(limit)

    @property
    def goals(self) -> list[Goal]:
        """The goals of the split."""
        return self.shop.goals

    @property
    def shopper(self) -> Shopper:
        """Who shops: the session and the choices."""
        return self.rules.shoppers[0]

    @property
    def goal(self) -> Goal:
        """What is to be bought now: the answer, for oracles and tables."""
        return self.shopper.session.goal
