"""``llmrec bench``: commands that run a whole study and write its report."""

import typer

from llmrec_env.cli.bench.exploit import exploit
from llmrec_env.cli.bench.fidelity import fidelity
from llmrec_env.cli.bench.improve import improve
from llmrec_env.cli.bench.offline import offline
from llmrec_env.cli.bench.policies import policies
from llmrec_env.cli.bench.sensitivity import sensitivity
from llmrec_env.cli.bench.study import study

app = typer.Typer()
app.callback(invoke_without_command=True)(study)
app.command()(exploit)
app.command()(fidelity)
app.command()(improve)
app.command()(offline)
app.command()(policies)
app.command()(sensitivity)
