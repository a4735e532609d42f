"""The command line: ``llmrec demo`` and its steps, each usable alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from llmrec_env.cli import bench as cli_bench
from llmrec_env.cli import shop as cli_shop
from llmrec_env.cli.errors import clear_errors
from llmrec_env.common import processes
from llmrec_env.common.errors import LLMRecError, SettingError

app = typer.Typer(
    help="A language model as the user of a recommender system.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(cli_shop.app, name="shop")
app.add_typer(cli_bench.app, name="bench")

Data = Annotated[
    str | None,
    typer.Option(help="Folder or file of a public dataset; the generated world where not given."),
]
Seed = Annotated[int, typer.Option(help="Seed of the split and of everything that learns.")]
Simulator = Annotated[
    str | None,
    typer.Option(
        help="Folder of a saved LE; the embedded one of the generated world where absent."
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Where the language model runs: cuda, or cpu if not given.")
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="What it computes in: float32 or bfloat16. If not given, bfloat16 on a GPU, and "
        "float32 elsewhere."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Stages that run at once, one thread each; one a core if not given."),
]


@app.command()
def demo(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Run folder; a killed run is continued.")] = Path(
        "runs/demo"
    ),
    simulator: Annotated[str | None, typer.Option(help="Folder of a saved LE.")] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Causal LM to adapt, by hub name or folder.")
    ] = None,
    seed: Seed = 0,
    budget: Annotated[float, typer.Option(help="Scales every training length.")] = 1.0,
    workers: Workers = None,
) -> None:
    """Run everything: the LE, policies, d3rlpy, recommenders; ends in a table and report.html."""
    with clear_errors():
        processes.check_alone()
        from llmrec_env.experiments.demo import DemoSettings

        _run_demo(DemoSettings(data, simulator, base_model, seed, budget), out, workers)


@app.command()
def rerun(
    folder: Path,
    out: Annotated[Path, typer.Option(help="The new run folder.")],
    workers: Workers = None,
) -> None:
    """Repeat a demo run from the settings that its folder keeps."""
    with clear_errors():
        processes.check_alone()
        from llmrec_env.common.files import read_json
        from llmrec_env.experiments.demo import DemoSettings

        path = folder / "settings.json"
        if not path.exists():
            raise LLMRecError(f"{folder} holds no run: there is no settings.json in it")
        _run_demo(DemoSettings.from_json(read_json(path)), out, workers)


def _run_demo(settings: Any, out: Path, workers: int | None) -> None:
    from llmrec_env.experiments.demo import run_demo

    report = run_demo(settings, out, workers=workers)
    console = Console()
    report.print(console)
    page = out / "report.html"
    console.print(f"\nReport: {page if page.exists() else out / 'results.json'}")


@app.command()
def fit(
    out: Annotated[
        Path, typer.Option(help="Where the LE is saved; a folder that holds one is refused.")
    ],
    data: Data = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="Causal LM by hub name or folder; a small one is pretrained otherwise."),
    ] = None,
    item_encoder: Annotated[
        str | None,
        typer.Option(
            help="Sentence encoder that reads the items' texts, by hub name or folder; the base "
            "model itself if not given."
        ),
    ] = None,
    item_ids: Annotated[
        bool, typer.Option(help="Also learn a vector an item, beyond what its text says.")
    ] = False,
    language_model: Annotated[
        bool, typer.Option(help="Without: a bag of the items' texts and a logistic reward, no LM.")
    ] = True,
    share: Annotated[float, typer.Option(help="Share of the training users to learn from.")] = 1.0,
    epochs: Annotated[int, typer.Option(help="Passes over those users at most.")] = 6,
    min_steps: Annotated[int, typer.Option(help="Optimiser steps at least.")] = 300,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Learn an LE from a log and save it to a folder; a killed run is continued.

    Under `accelerate launch` several processes learn it together.
    """
    with clear_errors():
        from llmrec_env.common.files import refuse_loss
        from llmrec_env.common.training import clear_checkpoint
        from llmrec_env.data.source import open_source
        from llmrec_env.language.fitting import FitConfig, fit_language_environment
        from llmrec_env.language.learning import LearningConfig
        from llmrec_env.language.model import LanguageEnvironmentConfig

        if (out / "heads.safetensors").exists():
            raise SettingError(f"{out} holds a saved LE; remove it, or name another with --out")
        refuse_loss(out, ())
        source = open_source(data, seed)
        learning = LearningConfig(share=share, epochs=epochs, min_steps=min_steps, seed=seed)
        model = LanguageEnvironmentConfig(item_ids=item_ids)
        checkpoint = out.with_name(f"{out.name}.checkpoint")
        fitted = fit_language_environment(
            source.split.train,
            source.split.validation,
            base_model,
            FitConfig(
                model, learning=learning, item_encoder=item_encoder, language_model=language_model
            ),
            users=source.split.test,
            checkpoint=checkpoint,
            device=device or "cpu",
            dtype=dtype or "auto",
        )

        def save() -> None:
            fitted.save_pretrained(out)
            clear_checkpoint(checkpoint)
            curve = fitted.record["learning"]["curve"]
            best = max(curve, key=lambda row: row["progress"])
            _print_rows(
                "Validation users",
                [{"LE": "untrained", **_pick(curve[0])}, {"LE": "learned", **_pick(best)}],
            )
            Console().print(f"Saved to {out}", soft_wrap=True)

        processes.on_main(save)


@app.command()
def label(
    out: Annotated[
        Path, typer.Option(help="Run folder, filled with parquet parts; a killed run is continued.")
    ],
    data: Data = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of user_id, item_id (each user's rows together, oldest first), read "
            "in pieces, instead of the training users of --data."
        ),
    ] = None,
    simulator: Simulator = None,
    augment: Annotated[
        int, typer.Option(min=0, help="LE-generated actions added to each step.")
    ] = 1,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Interactions a part at least; 10,000 if not given.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local (this process) or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Running Ray to connect to; one is started if not given.")
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(min=1, help="LEs at work at once with ray; all that fit if absent."),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
) -> None:
    """Label and augment a log, part by part: states, rewards, next states, added actions."""
    with clear_errors():
        processes.check_alone()
        from llmrec_env.offline.files import count_rows
        from llmrec_env.offline.sharding import SHARD_ROWS

        source = _log_to_label(data, log, simulator, seed)
        options: dict[str, Any] = {
            "simulator": simulator or "embedded",
            "augment": augment,
            "shard_rows": shard_rows or SHARD_ROWS,
            "device": device or "cpu",
            "dtype": dtype or "auto",
        }
        if engine == "ray":
            from llmrec_env.offline import distributed

            distributed.label(source, out, actors=actors, address=address, **options)
        elif engine != "local":
            raise SettingError(f"--engine is local or ray, got {engine!r}")
        elif actors is not None or address is not None:
            raise SettingError("--actors and --address belong to --engine ray")
        else:
            from llmrec_env.offline import sharding as shards

            shards.label(source, out, **options)
        rows, added = count_rows(out)
        Console().print(f"{rows} transitions ({added} added) in {out}", soft_wrap=True)


def _log_to_label(data: str | None, log: Path | None, simulator: str | None, seed: int) -> Any:
    """A parquet file, or the training users of a dataset whose items the LE knows."""
    if log is None:
        from llmrec_env.data.source import open_source
        from llmrec_env.language.saving import saved_catalogue
        from llmrec_env.offline.manifest import saved_folder

        source = open_source(data, seed)
        _check_items(simulator, saved_catalogue(saved_folder(simulator or "embedded")), source)
        return source.split.train
    if data is not None:
        raise SettingError("--data and --log are two logs; give one")
    return log


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Where the recommender is saved.")],
    data: Data = None,
    simulator: Simulator = None,
    backbone: Annotated[str, typer.Option(help="sasrec, gru4rec, caser or nextitnet.")] = "sasrec",
    objective: Annotated[
        str,
        typer.Option(
            help="supervised, sqn, sac, snqn, sa2c, smorl or proxy (the control without RL)."
        ),
    ] = "snqn",
    state: Annotated[
        bool, typer.Option(help="LE state to the Q head, of objectives with one.")
    ] = True,
    reward: Annotated[bool, typer.Option(help="LE reward, of objectives with a Q head.")] = True,
    augment: Annotated[bool, typer.Option(help="LE augmentation.")] = True,
    epochs: Annotated[int, typer.Option(help="Passes over the log at most.")] = 20,
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
) -> None:
    """Train a recommender on the log: any objective, with LEA's switches on top or without."""
    with clear_errors():
        from agents import Recommender, RecommenderConfig
        from agents.objectives import FRAMEWORKS
        from llmrec_env.common.files import refuse_loss
        from llmrec_env.data.source import open_source
        from llmrec_env.evaluation.ranking import evaluate_ranking

        refuse_loss(out, ())
        objective = objective.lower()
        has_q = objective in FRAMEWORKS and FRAMEWORKS[objective].q_heads > 0
        config = RecommenderConfig(
            backbone=backbone.lower(),  # type: ignore[arg-type]
            objective=objective,
            state=state and has_q,
            reward=reward and has_q,
            augment=augment,
            epochs=epochs,
            seed=seed,
        )
        source = open_source(data, seed)
        user = _simulator(simulator, source, device, dtype) if config.needs_simulator else None
        recommender = Recommender(config)
        recommender.fit(source.split.train, user, source.split.validation)

        def save() -> None:
            recommender.save(out)
            metrics = evaluate_ranking(recommender, source.split.validation)
            _print_rows("Validation users", [{"recommender": recommender.name, **metrics}])
            Console().print(f"Saved to {out}", soft_wrap=True)

        processes.on_main(save)


@app.command()
def evaluate(
    data: Data = None,
    recommender: Annotated[
        Path | None, typer.Option(help="Folder of a trained recommender.")
    ] = None,
    simulator: Simulator = None,
    episodes: Annotated[
        int,
        typer.Option(min=0, help="Test users in whose episodes it recommends at most; 0: none."),
    ] = 100,
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
) -> None:
    """Judge a recommender, or the simulated user itself, on test users."""
    with clear_errors():
        processes.check_alone()
        from llmrec_env.data.source import open_source

        source = open_source(data, seed)
        user = _simulator(simulator, source, device, dtype)
        if recommender is None:
            _print_card(source, user, seed)
        else:
            _print_recommender(source, user, recommender, episodes, seed)


def _simulator(name: str | None, source: Any, device: str | None, dtype: str | None) -> Any:
    """The simulated user of a command, who must know the items of its log and no test user."""
    from llmrec_env.envs.next_item.simulators import resolve_simulator
    from llmrec_env.users.language import LanguageUser

    user = resolve_simulator(name, device=device, dtype=dtype)
    _check_items(name, user.catalogue, source)
    if isinstance(user, LanguageUser):
        source.check_learned(user.model.record, _who(name))
    return user


def _check_items(name: str | None, known: Any, source: Any) -> None:
    """The catalogue that a simulator knows must be that of the log."""
    source.check_catalogue(known, _who(name))


def _who(name: str | None) -> str:
    """What to call a simulated user in an error."""
    return "the embedded simulated user" if name is None else f"the simulated user in {name}"


def _print_card(source: Any, user: Any, seed: int) -> None:
    from llmrec_env.evaluation.fidelity import fidelity_card

    card = fidelity_card(user, source.split.train, source.split.test, seed)
    rows = []
    for name, reward, ranking in (
        ("simulated user", card.reward, card.ranking),
        ("popularity", card.popularity_reward, card.popularity_ranking),
    ):
        accuracy = {"accuracy, uniform": reward.uniform, "accuracy, popular": reward.popular}
        rows.append({"who": name, **accuracy, **ranking})
    _print_rows("The simulated user on test users", rows)


def _print_recommender(source: Any, user: Any, folder: Path, episodes: int, seed: int) -> None:
    from agents import Recommender
    from llmrec_env.evaluation.by_event import evaluate_by_event
    from llmrec_env.evaluation.ranking import Popularity, evaluate_ranking
    from llmrec_env.evaluation.returns import PopularPolicy, RandomPolicy, at_most, evaluate_policy

    model, train, test = Recommender.load(folder), source.split.train, source.split.test
    rankers: dict[str, Any] = {"popularity": Popularity(train), model.name: model}
    if "event" in test.feedback.columns:
        found = {who: evaluate_by_event(r, test) for who, r in rankers.items()}
    else:
        found = {who: {"all": evaluate_ranking(r, test)} for who, r in rankers.items()}
    for kind in found["popularity"]:
        title = "Next item, test users" + ("" if kind == "all" else f", {kind} steps")
        _print_rows(title, [{"who": who, **metrics[kind]} for who, metrics in found.items()])
    if episodes:
        policies: dict[str, Any] = {"random": RandomPolicy(seed), "popular": PopularPolicy(train)}
        rows = []
        for who, policy in {**policies, model.name: model}.items():
            result = evaluate_policy(policy, user, test, at_most(episodes, test), seed)
            rows.append({"who": who, **result.summary()})
        _print_rows("Episodes of test users", rows)


def _pick(row: dict[str, float]) -> dict[str, float]:
    return {name: row[name] for name in ("NDCG@10", "accuracy")}


def _print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """A table with one column a row: there are more metrics than things to compare."""
    corner, *metrics = rows[0]
    table = Table(title=title)
    table.add_column(corner)
    for row in rows:
        table.add_column(str(row[corner]), justify="right")
    for name in metrics:
        values = (row[name] for row in rows)
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in values)
        table.add_row(name, *cells)
    Console().print(table)
