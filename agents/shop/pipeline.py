"""Trains a shopping policy in stages (behaviour cloning, DPO, PPO), each with its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.shop.behavior_cloning import BehaviorCloningConfig, behavior_cloning
from agents.shop.causal_lm import CausalLMConfig, CausalLMPolicy, causal_lm_config
from agents.shop.compact import CompactConfig, CompactPolicy
from agents.shop.dpo import DPOConfig, dpo
from agents.shop.estimate import ShopEstimate, estimate_stages
from agents.shop.evaluation import choose_goals, evaluate_shopper
from agents.shop.fine_tuning import FineTuningConfig, fine_tune
from agents.shop.policy import ScoringPolicy
from agents.shop.ppo import PPOConfig, ppo
from agents.shop.reward.language_reward import LanguageReward
from agents.shop.rollouts import Rollout, collect_rollouts, load_rollouts, replay, save_rollouts
from agents.shop.scripted import FirstHit, Oracle, Rule, ScriptedBrowser
from agents.shop.shop_pool import ShopPool, as_read_by
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import local_path, read_json
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.common.training import Metrics, clear_checkpoint
from llmrec_env.envs.shop.shop import Shop

SETTINGS = {
    "behavior_cloning": ("behavior_cloning", "fine_tuning"),
    "dpo": ("dpo", "lm_dpo", "dpo_teacher"),
    "ppo": ("ppo", "reward_model"),
}
"""Of each stage, the settings that nothing else depends on."""
STAGES = tuple(SETTINGS)
SYNONYMS = {"sft": "behavior_cloning"}
"""What language models' frameworks call it: supervised fine-tuning."""
TEACHERS: dict[str, Callable[[Shop], Rule]] = {
    "oracle": Oracle,
    "browser": lambda shop: ScriptedBrowser(),
    "first-hit": lambda shop: FirstHit(),
}
FINISHED, CHECKPOINT = "stage.json", "checkpoint"
OLD_STAGE = "imitation"
"""What "behavior_cloning" was called in run folders of before the first release."""
LM_DPO = DPOConfig(beta=0.1, rounds=2, episodes=60, steps=16, batch_size=16, learning_rate=2e-4)
"""DPO for a causal LM, which learns more from a pair, and to which a pair costs more."""
Curve = list[dict[str, float]]


@dataclass(frozen=True)
class ShopTraining:
    """What a shopper learns, in which stages and with which settings.

    Raises:
        SettingError: there is no such stage or teacher, or no rollout.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the environment, without split, observation and action_mode."""
    stages: tuple[str, ...] = ("behavior_cloning", "dpo")
    """What is done in turn: "behavior_cloning" of rollouts (or "sft", which is what it is for a
    causal LM), "dpo" and "ppo" on what came before."""
    teacher: str = "oracle"
    """Who writes the rollouts: "oracle", or "browser" or "first-hit", which use what anybody sees
    (:mod:`agents.shop.scripted`)."""
    dpo_teacher: str = "oracle"
    """Who says in DPO what should have been done, in each state that the policy reaches; its goals
    are such as this teacher reaches."""
    rollouts: int = 100
    """Perfect rollouts, of training goals drawn with the seed."""
    validation_goals: int = 200
    """Validation goals at most, by whose success weights are kept; 0 keeps those of the lowest
    loss of behaviour cloning, and the last ones of the other stages."""
    base_model: str | None = None
    """Causal LM to adapt by LoRA, a hub name, a folder or a GGUF file; None trains the compact
    policy."""
    reward_model: str | None = None
    """Folder of a saved ``LanguageReward`` (:mod:`agents.shop.reward`), from which PPO learns in
    place of the shop's own reward; validation is always by the shop's."""
    compact: CompactConfig = field(default_factory=CompactConfig)
    causal_lm: CausalLMConfig = field(default_factory=CausalLMConfig)
    behavior_cloning: BehaviorCloningConfig = field(default_factory=BehaviorCloningConfig)
    dpo: DPOConfig = field(default_factory=DPOConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)
    """How a causal LM clones rollouts."""
    lm_dpo: DPOConfig = field(default_factory=lambda: LM_DPO)
    """How a causal LM learns by DPO."""
    seed: int = 0
    """Draws the goals of the rollouts; replaces the seeds of all stages."""

    def __post_init__(self) -> None:
        stages = tuple(SYNONYMS.get(stage, stage) for stage in self.stages)
        object.__setattr__(self, "stages", stages)
        for stage in self.stages:
            if stage not in STAGES:
                raise SettingError(
                    f"a stage is one of {', '.join((*STAGES, *SYNONYMS))}, got {stage!r}; on the "
                    "command line several are joined by commas"
                )
        if not self.stages or self.rollouts < 1:
            raise SettingError("training needs at least one stage and one rollout")
        for name in ("teacher", "dpo_teacher"):
            if getattr(self, name) not in TEACHERS:
                raise SettingError(
                    f"{name} must be one of {', '.join(TEACHERS)}, got {getattr(self, name)!r}"
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which :meth:`from_json` makes the same."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ShopTraining:
        """What :meth:`to_json` gave."""
        parts = {
            "compact": CompactConfig(**values["compact"]),
            "causal_lm": causal_lm_config(values["causal_lm"]),
            "fine_tuning": FineTuningConfig(**values["fine_tuning"]),
            "lm_dpo": DPOConfig(**values["lm_dpo"]),
            "behavior_cloning": BehaviorCloningConfig(**values["behavior_cloning"]),
            "dpo": DPOConfig(**values["dpo"]),
            "ppo": PPOConfig(**values["ppo"]),
            "stages": tuple(values["stages"]),
        }
        return cls(**{**values, **parts})


def train_shopper(
    training: ShopTraining, out: str | Path, confirm: Callable[[ShopEstimate], None] | None = None
) -> tuple[ScoringPolicy, Path]:
    """Train a policy, stage by stage.

    Each stage has a folder, ``out/behavior_cloning``, ``out/behavior_cloning+dpo``, …, with the
    policy, its validation curve and the seconds it took. A stage that is finished is not done
    again, one that was killed is continued, and two trainings that begin alike share their
    beginning.

    Args:
        training: what to do.
        out: folder of all stages.
        confirm: told, before a causal LM learns, what the stages that are left will take; what it
            raises ends the training.

    Returns:
        The policy after the last stage, and its folder.

    Raises:
        SettingError: ``out`` holds a stage of other settings or of an earlier version, or the shop
            has too few goals.
    """
    policy: ScoringPolicy | None = None
    path = root = local_path(out, "out")
    if list(path.glob(f"{OLD_STAGE}*/{FINISHED}")):
        raise SettingError(
            f"{path} holds stages of an earlier version, which called {STAGES[0]!r} "
            f"{OLD_STAGE!r}; their policies can be evaluated, but train into another folder"
        )
    for number in range(len(training.stages)):
        stages = training.stages[: number + 1]
        path = root / "+".join(stages)
        with RunFolder.claim(path, "shop train", _identity(training, stages)) as folder:
            if folder.has(FINISHED):
                clear_checkpoint(path / CHECKPOINT)  # of one that was killed as it was about to
                policy = load_policy(path)
                continue
            if policy is None:
                policy = _new_policy(training)
            if confirm is not None and isinstance(policy, CausalLMPolicy):
                confirm(_estimate(policy, training, training.stages[number:], root))
                confirm = None
            policy = _train_stage(policy, training, stages, folder)
    assert policy is not None
    return policy, path


def load_policy(folder: str | Path) -> ScoringPolicy:
    """The policy that a stage left in its folder.

    Raises:
        DataError: there is none.
    """
    trained_in(folder)
    path = local_path(folder, "policy") / "policy"
    kind = CompactPolicy if (path / CompactPolicy.WEIGHTS).exists() else CausalLMPolicy
    return kind.load(path)


def trained_in(folder: str | Path) -> dict[str, Any]:
    """Arguments of the environment that a stage was trained in, without the split.

    Raises:
        DataError: the folder holds no finished stage.
    """
    place = local_path(folder, "policy")
    try:
        return dict(read_json(place / FINISHED)["training"]["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        inside = sorted(path.parent.name for path in place.glob(f"*/{FINISHED}"))
        hint = f"; it holds these: {', '.join(inside)}" if inside else ""
        raise DataError(
            f"{folder}: no finished stage ({type(error).__name__}); expected a folder that `llmrec "
            f"shop train` named at its end, such as RUN/behavior_cloning+dpo{hint}"
        ) from None


def validation_of(folder: str | Path) -> dict[str, float]:
    """Success and score of a finished stage on its validation goals, where it was measured."""
    rows = [row for row in read_json(Path(folder) / FINISHED)["curve"] if "success" in row]
    return max(rows, key=lambda row: row["success"], default={})


def _identity(training: ShopTraining, stages: tuple[str, ...]) -> dict[str, Any]:
    """All that a stage depends on."""
    unused = {name for stage in set(STAGES) - set(stages) for name in SETTINGS[stage]}
    values = replace(training, stages=stages).to_json()
    return {name: value for name, value in values.items() if name not in unused}


def _estimate(
    policy: CausalLMPolicy, training: ShopTraining, left: tuple[str, ...], root: Path
) -> ShopEstimate:
    settings = {**training.settings, "split": "train"}
    rollouts = _rollouts(training, training.teacher, root, settings)
    decisions = list(replay(rollouts, as_read_by(policy, settings), policy.observation))
    configs = training.fine_tuning, training.lm_dpo, training.ppo
    return estimate_stages(
        policy, decisions, left, configs, len(rollouts), training.validation_goals
    )


def _train_stage(
    policy: ScoringPolicy, training: ShopTraining, stages: tuple[str, ...], folder: RunFolder
) -> ScoringPolicy:
    began = time.perf_counter()
    checkpoint = folder.path / CHECKPOINT
    curve = _learn(policy, training, stages[-1], folder.path.parent, checkpoint)
    policy.save(folder.path / "policy")
    seconds = time.perf_counter() - began
    identity = _identity(training, stages)
    folder.write(FINISHED, {"training": identity, "seconds": seconds, "curve": curve})
    clear_checkpoint(checkpoint)
    return policy


def _new_policy(training: ShopTraining) -> ScoringPolicy:
    if training.base_model is None:
        return CompactPolicy(replace(training.compact, seed=training.seed))
    return CausalLMPolicy(training.base_model, replace(training.causal_lm, seed=training.seed))


def _learn(
    policy: ScoringPolicy, training: ShopTraining, stage: str, root: Path, checkpoint: Path
) -> Curve:
    settings = {**training.settings, "split": "train"}
    common: dict[str, Any] = {"evaluate": _validation(policy, training), "folder": checkpoint}
    seed = training.seed
    if stage == "behavior_cloning":
        rollouts = _rollouts(training, training.teacher, root, settings)
        decisions = list(replay(rollouts, as_read_by(policy, settings), policy.observation))
        if isinstance(policy, CausalLMPolicy):
            tuning = replace(training.fine_tuning, seed=seed)
            return fine_tune(policy, decisions, tuning, **common).rows
        cloning = replace(training.behavior_cloning, seed=seed)
        return behavior_cloning(policy, decisions, cloning, **common).rows
    if stage == "dpo":
        rollouts = _rollouts(training, training.dpo_teacher, root, settings)
        goals = [rollout.goal for rollout in rollouts]
        config = training.lm_dpo if isinstance(policy, CausalLMPolicy) else training.dpo
        config = replace(config, seed=seed)
        teacher = TEACHERS[training.dpo_teacher]
        return dpo(policy, settings, goals, config, teacher=teacher, **common).rows
    if training.reward_model is not None:
        settings = {**settings, "reward": LanguageReward.load(training.reward_model)}
    return ppo(policy, settings, replace(training.ppo, seed=seed), **common).rows


def _rollouts(
    training: ShopTraining, teacher: str, out: Path, settings: Mapping[str, Any]
) -> list[Rollout]:
    """A teacher's perfect rollouts of training goals, from the file where they were written
    before."""
    path = out / f"rollouts-{teacher}-{training.rollouts}-seed{training.seed}.json"
    if path.exists():
        return load_rollouts(path)
    shop = ShopPool(settings).shop
    rule = TEACHERS[teacher](shop)
    order = np.random.default_rng(training.seed).permutation(len(shop.goals))
    rollouts = collect_rollouts(
        rule, settings, order.tolist(), perfect=True, limit=training.rollouts
    )
    if len(rollouts) < training.rollouts:
        raise SettingError(
            f"rollouts={training.rollouts}, but the {teacher} has only {len(rollouts)} "
            f"perfect ones for the {len(order)} training goals; ask for fewer"
        )
    save_rollouts(path, rollouts)
    return rollouts


def _validation(policy: ScoringPolicy, training: ShopTraining) -> Callable[[], Metrics] | None:
    """Score and success, in per cent, of greedy shopping for validation goals."""
    if training.validation_goals == 0:
        return None
    settings = {**training.settings, "split": "validation"}
    goals = choose_goals(len(ShopPool(settings).shop.goals), training.validation_goals)

    def evaluate() -> Metrics:
        results = evaluate_shopper(policy, settings, goals)
        return {"success": results.success.mean, "score": results.score.mean}

    return evaluate
