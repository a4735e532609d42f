"""Trains one model of RecBole 1.2.1 and prints what it reached; run by ``backbones.py``.

It stands alone because RecBole needs an environment of its own (numpy below 2, pandas below 2.3).
"""

from __future__ import annotations

import json
import sys
import time

import recbole.trainer.trainer as trainer_module
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

SETTINGS = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "loss_type": "CE",
    "train_neg_sample_args": None,
    "eval_args": {
        "split": {"LS": "valid_and_test"},
        "group_by": "user",
        "order": "TO",
        "mode": "full",
    },
    "metrics": ["Hit", "NDCG"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "use_gpu": False,
    "show_progress": False,
    "state": "ERROR",
}


def main(model_name: str, data_path: str, dataset: str, seed: int) -> None:
    """Train, choose the pass by validation, test once; one line of JSON."""
    load = torch.load
    trainer_module.torch.load = lambda *a, **k: load(*a, **{**k, "weights_only": False})
    own = {"data_path": data_path, "seed": seed, "reproducibility": True}
    sys.argv = sys.argv[:1]  # which RecBole would read as settings
    config = Config(model=model_name, dataset=dataset, config_dict={**SETTINGS, **own})
    init_seed(seed, True)
    train, valid, test = data_preparation(config, create_dataset(config))
    model = get_model(model_name)(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], model_name)(config, model)
    # One of RecBole's models switches anomaly detection on, which doubles the time; all models are
    # imported with the first that is asked for, so only here is it off for good.
    torch.autograd.set_detect_anomaly(False)
    began = time.process_time()
    _, found = trainer.fit(train, valid, verbose=False, show_progress=False)
    seconds = time.process_time() - began
    result = trainer.evaluate(test, load_best_model=True, show_progress=False)
    told = {
        "HR@10": result["hit@10"],
        "NDCG@10": result["ndcg@10"],
        "validation NDCG@10": found["ndcg@10"],
        "CPU seconds": seconds,
    }
    print(json.dumps({name: float(value) for name, value in told.items()}))


if __name__ == "__main__":
    name, path, which, number = sys.argv[1:5]
    main(name, path, which, int(number))
