"""The lab command: thin; every verb is a few lines over the module that does it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.lab import bringup, fleet, views
from infra.lab.access import authority_hint, board_hint, given_hint, logins, with_authorities
from infra.lab.bench import bench as benchmark
from infra.lab.bundle_verbs import bundle_app
from infra.lab.chaos_verbs import chaos_app
from infra.lab.cloud_init import cloud_init_app
from infra.lab.clouds import verbs as clouds
from infra.lab.console import console
from infra.lab.doctor import diagnose, settle
from infra.lab.errors import LabError, from_system
from infra.lab.fleet_verbs import fleet_app
from infra.lab.kept import kept
from infra.lab.lab import LOCAL, Lab, lab_here
from infra.lab.logs import show_logs
from infra.lab.node_red import node_red_app
from infra.lab.options import AsJson, StackName
from infra.lab.packing import take_bundle
from infra.lab.plan.command import plan
from infra.lab.render import rendered, write
from infra.lab.stack import FOREIGN, config_of
from infra.lab.status import status_of
from infra.lab.testing import BENCHES, run_bench, run_tests
from infra.lab.watch import run_watch
from infra.settings import PROJECT

app = typer.Typer(
    name="lab",
    help="A whole IoT platform on this machine: devices, MQTT, Kafka, time series on a real Kubernetes.",
    epilog="First time: ./lab up   ·   then: ./lab watch, ./lab doctor, ./lab access   ·   tests: ./lab test",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
INTERRUPTED = 130
MachineName = Annotated[str, typer.Option("--machine", help="One machine of a stack that makes several.")]


@app.command(epilog="Examples: ./lab up  ·  ./lab up --bundle lab.tar.zst  ·  IOTLAB_SEALED=1 ./lab up")
def up(
    stack: StackName = LOCAL,
    bundle: Annotated[str | None, typer.Option(help="Take toolchain and images from this archive: a file or a URL.")] = None,
    end: Annotated[
        list[str] | None, typer.Option(help="A machine that may end with all its data: its stack's file no longer names it.")
    ] = None,
) -> None:
    """Bring the lab up, or to what this checkout says; repeat it as often as you like."""
    lab = Lab(stack)
    if lab.settings.cloud:
        clouds.up(lab, bundle, end or ())
        return
    with lab.lock():
        if bundle:
            bringup.check(lab, warm=True)
            take_bundle(lab, bundle)
        bringup.up(lab)
    with lab.steps.step("Doctor"):
        diagnosis = settle(lab)
    views.show_diagnosis(diagnosis)
    for line in kept(lab):
        console.print(views.plain(line), soft_wrap=True)
    if not diagnosis.ok:
        raise LabError(f"the lab is up but not healthy: {', '.join(diagnosis.red)}; the red lines above say what to run next.")
    console.print("The lab is up. Look at it: ./lab watch   Logins: ./lab access   Stop it: ./lab down", soft_wrap=True)


@app.command(epilog="Examples: ./lab down  ·  ./lab down --purge")
def down(
    stack: StackName = LOCAL,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove cluster data (or bundle store) and state, together.")
    ] = False,
) -> None:
    """Stop the lab and check that nothing of it is left; data and caches stay. Machines are ended; what still costs is said."""
    lab = Lab(stack)
    with lab.lock():
        clouds.down(lab, purge=purge) if lab.settings.cloud else bringup.down(lab, purge=purge)


@app.command()
def status(stack: StackName = LOCAL, json_: AsJson = False) -> None:
    """Show what runs: the cluster's parts and the services' pods, or the machines and how far each is."""
    lab = Lab(stack)
    if lab.settings.cloud:
        clouds.status(lab, json_=json_)
        return
    found = status_of(lab)
    views.print_json(found.as_json()) if json_ else views.show_status(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command(epilog="Example: ./lab doctor --json | jq '.hops[] | {name, latency_ms}'")
def doctor(stack: StackName = LOCAL, machine: MachineName = "", json_: AsJson = False) -> None:
    """Follow a reading through every hop and ask every service; exit code 0 only if all is green."""
    lab = Lab(stack)
    if machine or lab.settings.cloud:
        clouds.doctor(lab, machine, json_=json_)
        return
    diagnosis = diagnose(lab)
    views.print_json(diagnosis.as_json()) if json_ else views.show_diagnosis(diagnosis)
    if not diagnosis.ok:
        raise typer.Exit(diagnosis.code)


@app.command(epilog="Example: ./lab access --json | jq -r .mosquitto.password")
def access(stack: StackName = LOCAL, machine: MachineName = "", json_: AsJson = False) -> None:
    """Show addresses and generated logins."""
    lab = Lab(stack)
    if machine or lab.settings.cloud:
        clouds.access(lab, machine, json_=json_)
        return
    lab.need_up()
    entries = with_authorities(lab, logins(lab, tokens=True))
    views.print_json(entries) if json_ else views.show_access(
        entries, [board_hint(lab, entries), given_hint(lab), authority_hint(entries)]
    )


@app.command(epilog="Examples: ./lab logs bridge  ·  ./lab logs kafka --follow  ·  ./lab logs kubelet")
def logs(
    service: Annotated[str, typer.Argument(help="A service of the lab, or a part of its cluster.")],
    stack: StackName = LOCAL,
    machine: MachineName = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(help="How many last lines.")] = 100,
) -> None:
    """Show a service's last log lines."""
    lab = Lab(stack)
    if machine or lab.settings.cloud:
        clouds.logs(lab, machine, service, tail, follow=follow)
        return
    show_logs(lab, service, follow=follow, tail=tail)


@app.command()
def watch(
    stack: StackName = LOCAL,
    seconds: Annotated[float, typer.Option(help="Stop after so long; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Show live readings: rate and last value at every hop."""
    lab = lab_here(stack, "watch")
    lab.need_up()
    run_watch(lab, seconds)


@app.command(epilog="Examples: ./lab bench  ·  ./lab bench --seconds 60 --json  ·  ./lab bench bridge  ·  ./lab bench fleet 4000")
def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(help=f"lab: the running one; {', '.join(BENCHES)}: ours beside peers; then how many cars, or who."),
    ] = None,
    stack: StackName = LOCAL,
    seconds: Annotated[float, typer.Option(help="How long messages are sent.")] = 30,
    rate: Annotated[float, typer.Option(help="Messages a second through each way to Kafka.")] = 100,
    alert_rate: Annotated[float, typer.Option(help="Alerts a second that start a process.")] = 5,
    json_: AsJson = False,
) -> None:
    """Measure the running lab: time to Kafka by the bridge and by Node-RED, an alert's to its process; nothing is left."""
    name, *words = what or ["lab"]
    if name != "lab":
        raise typer.Exit(run_bench(name, words, as_json=json_))
    lab = lab_here(stack, "bench")
    with console.status(f"Messages run for {seconds:g} s"):
        found = benchmark(lab, rate, alert_rate, seconds)
    views.print_json(found.as_json()) if json_ else views.show_bench(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command(epilog='Example: eval "$(./lab env)" && pulumi preview -s local && kubectl get pods')
def env(stack: StackName = LOCAL) -> None:
    """Print what puts pulumi, kubectl, helm and the kubeconfig on a shell's path."""
    lab = Lab(stack)
    lab.need_tools()
    lab.refresh_private_file()
    for name, value in sorted((lab.machines if lab.settings.cloud else lab.stack).env().items()):
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(f"unset {FOREIGN}")


@app.command(epilog="Examples: ./lab render  ·  ./lab render yaml && kubectl diff -f yaml/bridge.yaml")
def render(
    folder: Annotated[Path, typer.Argument(help="Where to write the files.")] = Path("rendered"),
    stack: StackName = LOCAL,
) -> None:
    """Write every object of the stack as plain YAML, one file a service; of Secrets the names alone."""
    lab = lab_here(stack, "render")
    lab.need_tools()
    config = fleet.laid_over(config_of(stack), lab.paths, stack) | {f"{PROJECT}:images": lab.references(lab.bundle.manifest())}
    files = rendered({key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}, lab.stack.process_env())
    write(folder, files)
    console.print(f"{len(files)} files in {views.plain(str(folder))}", soft_wrap=True)


app.command(
    epilog="Examples: ./lab plan -s s  ·  ./lab plan -s s --page plan.html  ·  ./lab plan --diff local s  ·  "
    "./lab plan --fit --machine m6i.xlarge"
)(plan)

app.add_typer(bundle_app, name="bundle")
app.add_typer(node_red_app, name="node-red")
app.add_typer(cloud_init_app, name="cloud-init")
app.add_typer(fleet_app, name="fleet")
app.add_typer(chaos_app, name="chaos")


@app.command(
    epilog="Examples: ./lab test  ·  ./lab test --only unit  ·  ./lab test --only broker -- -k kill",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def test(
    context: typer.Context,
    only: Annotated[list[str] | None, typer.Option(help="Run this tier alone; may be given again.")] = None,
) -> None:
    """Run every test; what follows `--` goes to pytest."""
    raise typer.Exit(run_tests(only or [], context.args))


def _stopped() -> None:
    console.print("stopped; the next ./lab up goes on from here")


def main() -> None:
    """Run the command; a failure is one sentence and its exit code, never a traceback."""
    # A shell starts its background jobs with SIGINT ignored, and that is inherited. Pulumi ends its plugins by SIGINT and
    # would wait 5 s for each (measured 2026-11-22), so it is heard again here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app(prog_name="./lab")
    except (LabError, OSError) as failed:
        told = failed if isinstance(failed, LabError) else from_system(failed)
        console.print(f"[red]lab: {views.plain(str(told))}[/]", soft_wrap=True)
        sys.exit(told.exit_code)
    except KeyboardInterrupt:
        _stopped()
        sys.exit(INTERRUPTED)
    except SystemExit as ended:  # typer takes most Ctrl-C for itself, without a word
        if ended.code == INTERRUPTED:
            _stopped()
        raise
    except subprocess.SubprocessError as failed:
        console.print(f"[red]lab: a program of the toolchain failed: {views.plain(str(failed))}[/]", soft_wrap=True)
        sys.exit(1)
