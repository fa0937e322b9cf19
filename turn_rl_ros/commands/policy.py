"""`turn-rl policy ...`: look at policies, check them, sign them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from turn_rl_ros.commands.app import make_app
from turn_rl_ros.commands.shadow import shadow
from turn_rl_ros.core.artifact import Artifact, open_artifact, read_metadata
from turn_rl_ros.core.deployed import FOLDER, read_history
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.signature import PublicKey, SigningKey, make_key_pair
from turn_rl_ros.core.store import PolicyStore, read_parcel, seal, signature_of, turn_of
from turn_rl_ros.report.target import find_policy, find_spec

app = make_app("List, show, verify, sign and compare policies.")
app.command()(shadow)

Target = Annotated[
    Path, typer.Argument(help="Run directory (its newest policy), or one policy file.", metavar="RUN_OR_POLICY")
]
RunDir = Annotated[Path, typer.Argument(help="Run directory, such as runs/demo.", metavar="RUN")]
Key = Annotated[
    Path | None, typer.Option("--public-key", help="PEM file; what is not signed by its owner does not pass.")
]
ParamsFile = Annotated[
    Path | None, typer.Option("--params-file", help="ROS parameter file with the task; without it, the run's own.")
]


@app.command("list")
def list_policies(run: RunDir) -> None:
    """List what was trained, and the story of what was deployed.

    For example:

        turn-rl policy list runs/demo
    """
    policies, events = PolicyStore(run).all(), read_history(run)
    if not policies and not events:
        raise TurnRlError(
            f"{run} has no policies (policies/turn-*.safetensors) and no history ({FOLDER}/history.jsonl)"
        )
    console = Console()
    trained = _table("trained", "turn", "sha256", "algorithm", "transitions", "signed", "made (UTC)")
    for path in policies:
        trained.add_row(str(turn_of(path)), path.stem.rpartition("-")[2], *map(_text, _facts(path)))
    deployed = _table("deployed on this computer", "when (UTC)", "what", "turn", "sha256", "story")
    for event in events:
        story = event.get("reason") or _returns(event.get("returns", []))
        what = (_when(event.get("utc")), event["event"], event.get("turn"), event.get("sha256", "")[:12], story)
        deployed.add_row(*map(_text, what))
    for table in (trained, deployed):
        if table.rows:
            console.print(table)


@app.command()
def show(target: Target) -> None:
    """Show the papers of one policy: what it is for, where it comes from, what is in it.

    For example:

        turn-rl policy show runs/demo

        turn-rl policy show runs/demo/policies/turn-003-*.safetensors
    """
    path = find_policy(target)
    parcel = read_parcel(path)
    facts = read_metadata(parcel.blob)
    table = Table(title=str(path), show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name in sorted(facts):
        table.add_row(name, _text(facts[name]))
    table.add_row("sha256", parcel.sha256)
    table.add_row("size", f"{len(parcel.blob)} bytes")
    table.add_row("signature", parcel.signature or "none")
    Console().print(table)


@app.command()
def verify(target: Target, public_key: Key = None, params_file: ParamsFile = None) -> None:
    """Make every check that the executor makes, on one policy, or on all of a run. Exit code 1 when one does not pass.

    For example:

        turn-rl policy verify runs/demo

        turn-rl policy verify runs/demo --public-key trainer.pub
    """
    key = PublicKey(public_key) if public_key else None
    paths = [path for folder in ("policies", FOLDER) for path in PolicyStore(target, folder).all()]
    if not target.is_dir() or not paths:
        paths = [find_policy(target)]
    spec = find_spec(paths[0], None, params_file)
    bad = 0
    for path in paths:
        try:
            parcel = read_parcel(path)
            artifact: Artifact = open_artifact(parcel.blob, spec, parcel.sha256)
            if key is not None:
                key.require(artifact.sha256, parcel.signature)
        except TurnRlError as error:
            bad += 1
            typer.echo(f"{path}: {error}", err=True)
    typer.echo(f"{len(paths)} policies, {bad} problems")
    if bad:
        raise typer.Exit(1)


@app.command()
def keygen(
    name: Annotated[
        Path, typer.Argument(help="Where to write NAME.key (keep it secret) and NAME.pub.", metavar="NAME")
    ],
) -> None:
    """Make an Ed25519 key pair. The trainer gets NAME.key as `private_key`, the robot NAME.pub as `public_key`.

    For example:

        turn-rl policy keygen trainer
    """
    private, public = (name.with_name(f"{name.name}{suffix}") for suffix in (".key", ".pub"))
    make_key_pair(private, public)
    typer.echo(f"private key {private}: for the trainer alone; public key {public}: for the robot's computer")


@app.command()
def sign(
    policy: Annotated[Path, typer.Argument(help="Policy file.", exists=True, dir_okay=False)],
    key: Annotated[Path, typer.Option("--key", help="Private key, PEM, as `keygen` makes it.")],
) -> None:
    """Sign a policy that exists: writes its .sig file beside it.

    For example:

        turn-rl policy sign runs/arm/policies/turn-003-*.safetensors --key trainer.key
    """
    signed = seal(read_parcel(policy).blob, SigningKey(key))
    target = signature_of(policy)
    try:
        replace_file(target, f"{signed.signature}\n".encode())
    except OSError as error:
        raise TurnRlError(f"cannot write {target}: {error.strerror}") from error
    typer.echo(f"signed: {target}")


def _facts(path: Path) -> tuple[object, ...]:
    """Algorithm, transitions, signed, made; a policy that cannot be read says so."""
    try:
        facts = read_metadata(read_parcel(path).blob)
    except TurnRlError as error:
        return (str(error), None, signature_of(path).is_file(), None)
    return (
        facts.get("algorithm"),
        facts.get("transitions"),
        signature_of(path).is_file(),
        _when(facts.get("created_utc")),
    )


def _when(utc: object) -> str:
    return str(utc or "-")[:19].replace("T", " ")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else escape(str(value))


def _returns(values: list[float]) -> str:
    return f"{len(values)} episodes, mean return {sum(values) / len(values):.2f}" if values else ""
