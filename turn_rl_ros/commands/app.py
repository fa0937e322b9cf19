"""What all commands share: how a Typer application is made, and how its errors end."""

from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from turn_rl_ros.core.errors import TurnRlError

BAD_INPUT, INTERRUPTED = 2, 130


class OneLineErrors(TyperGroup):
    """Errors made for users end as one red line and exit code 2, Ctrl-C as exit code 130.

    Anything else is a bug and shows its trace.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TurnRlError as error:
            Console(stderr=True, soft_wrap=True).print(f"[red]turn-rl: {escape(str(error))}[/]", highlight=False)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            Console(stderr=True).print("turn-rl: stopped")
            raise typer.Exit(INTERRUPTED) from None


def make_app(help: str = "") -> typer.Typer:
    """A group of commands, or the root of them all."""
    return typer.Typer(
        cls=OneLineErrors, help=help or None, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
