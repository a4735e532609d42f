"""What reading a large table costs: ``load`` against polars that reads and sorts the same file.

Each is measured in a process of its own, several times; the least time and peak memory count::

    python benchmarks/loading.py --rows 5000000 --repeats 3

Prints a line for numbers as ids, one for texts, and one for reviews with an odd line of metadata.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

MEASURE = """
import json, resource, sys, time
begin = time.perf_counter()
{work}
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - begin, used.ru_maxrss / 1024]))
"""
POLARS = "import polars as pl; pl.read_csv(sys.argv[1]).sort('user_id', 'timestamp')"
LOAD = (
    "from llmrec_env.common import progress; progress.hide_always()\n"
    "from llmrec_env.data import load; load(sys.argv[1])"
)


def write_table(path: Path, rows: int, texts: bool) -> None:
    """Users with some 25 interactions each, in no order, over 50,000 items."""
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "user_id": rng.integers(0, max(rows // 25, 1), rows),
            "item_id": (rng.random(rows) ** 2 * 50_000).astype(np.int64),
            "rating": rng.integers(1, 6, rows),
            "timestamp": 1_500_000_000 + rng.integers(0, 10**8, rows),
        }
    )
    if texts:
        table = table.with_columns(
            pl.concat_str(pl.lit("A"), pl.col(name).cast(pl.String).str.zfill(9)).alias(name)
            for name in ("user_id", "item_id")
        )
    table.write_csv(path)


def write_reviews(folder: Path, rows: int, odd: bool) -> Path:
    """Reviews of 2018 with metadata, of which one line may be a Python literal."""
    items = max(rows // 10, 1)
    review = '{{"reviewerID": "A{0}", "asin": "B{1}", "overall": 5.0, "unixReviewTime": {2}}}\n'
    item = '{{"asin": "B{0}", "title": "Thing {0}", "description": ["It is {0}."]}}\n'
    folder.mkdir()
    with (folder / "R_5.json").open("w") as file:
        file.writelines(review.format(i % (rows // 5 + 1), i % items, i) for i in range(rows))
    with (folder / "meta_R.json").open("w") as file:
        file.writelines(item.format(i) for i in range(items))
        file.write("{'asin': 'odd', 'title': 'Odd'}\n" if odd else item.format("even"))
    return folder / "R_5.json"


def best(work: str, path: Path, repeats: int) -> tuple[float, float]:
    """Seconds and MB of peak memory: the least of several child processes each."""
    command = [sys.executable, "-c", MEASURE.format(work=work), str(path)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeats)
    ]
    return min(run[0] for run in runs), min(run[1] for run in runs)


def compare(what: str, path: Path, repeats: int, baseline: tuple[str, Path]) -> None:
    """Print one line of ratios."""
    ours, theirs = best(LOAD, path, repeats), best(*baseline, repeats)
    print(
        f"{what}: {ours[0]:.2f} s and {ours[1]:.0f} MB against {theirs[0]:.2f} s and "
        f"{theirs[1]:.0f} MB: {ours[0] / theirs[0]:.2f} x the time, "
        f"{ours[1] / theirs[1]:.2f} x the memory",
        flush=True,
    )


def main() -> None:
    """Compare on tables with numbers and with texts as ids, and on reviews with an odd line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the log")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("numbers", "texts"):
            path = folder / f"{kind}.csv"
            write_table(path, arguments.rows, kind == "texts")
            what = f"{arguments.rows:,} rows of csv, {kind} as ids, against polars"
            compare(what, path, arguments.repeats, (POLARS, path))
        plain, odd = (
            write_reviews(folder / k, arguments.rows // 10, k == "odd") for k in ("even", "odd")
        )
        what = f"{arguments.rows // 10:,} reviews with one odd line of metadata, against none"
        compare(what, odd, arguments.repeats, (LOAD, plain))


if __name__ == "__main__":
    main()
