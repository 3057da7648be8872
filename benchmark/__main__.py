"""List the commands, or run one of them: ``python -m benchmark``, ``pose-benchmark COMMAND``."""

from __future__ import annotations

import runpy
import sys

from benchmark.core.errors import exit_with_error, run_command

COMMANDS = {
    "report": "regenerate every table and plot from the records, or check that they are up to date",
    "measure": "list the networks, count their operations, time them, or compare the routes from images to training inputs",
    "score": "score a file of predictions by PCKh or OKS AP, with intervals and paired differences",
    "evaluate": "run a network with given weights on a dataset, and score it or write a submission",
    "predict": "find the joints of the people on photographs, and draw their skeletons",
    "train": "train a network by a paper's recipe or a short one",
    "search": "search for an architecture, train it, and compare it with random search",
    "ablate": "train and test the variants of an ablation, with several seeds",
    "compare": "compare your own network with the rows of a printed table",
    "data": "check or download datasets, or draw Synthetic people",
}


def format_commands() -> str:
    """Format the commands as text, one line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {description}" for name, description in COMMANDS.items()]
    return "\n".join(["usage: pose-benchmark COMMAND [OPTIONS]", "", *lines, "", "Each has --help with an example."])


def main() -> None:
    """Run the command that the first argument names, as ``python -m benchmark.COMMAND`` does."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        run_command(lambda: print(format_commands(), flush=True))
        return
    name = sys.argv.pop(1)
    if name not in COMMANDS:
        exit_with_error(f"no command {name!r}; known commands: {', '.join(COMMANDS)}")
    runpy.run_module(f"benchmark.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
