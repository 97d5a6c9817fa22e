"""`./lab fleet run`, after the dry run: against the running lab or other brokers, to a report."""

from __future__ import annotations

from infra.lab.console import console
from infra.lab.errors import LabError, UserError
from infra.lab.paths import Paths
from infra.lab.scenario.beyond import Beyond
from infra.lab.scenario.forecast import Forecast
from infra.lab.scenario.limits import Machine, refusal
from infra.lab.scenario.live import progress, show_report
from infra.lab.scenario.model import Scenario
from infra.lab.scenario.plan import plan_of
from infra.lab.scenario.report import Report, folder_for, now
from infra.lab.scenario.run import carry_out
from infra.lab.scenario.target import Place, check_topics
from infra.lab.views import print_json


def run_scenario(scenario: Scenario, found: Forecast, place: Place, *, every: int, as_json: bool) -> None:
    """Run it, write the report, say how it was.

    Raises:
        UserError: it cannot run here or there; nothing was started.
        LabError: it could not begin, ended early, or something acknowledged is lost.
    """
    if why := refusal(found.over(place.shards), Machine.here()):
        raise UserError(f"{scenario.name} cannot run on this machine: {why}.")
    with place.target("fleet run") as (target, lab):
        plan = plan_of(scenario, found, target, every)
        if lab:
            check_topics(plan)
        beyond = Beyond(lab) if lab else None
        begun = now()
        folder = folder_for(lab.paths if lab else Paths.from_environment(), scenario.name, begun)
        with progress() as shown:
            done = carry_out(plan, folder, shown.show, lambda: console.print("stopping: the clients say goodbye"))
        arrived = beyond.since(plan, done["acked"]) if beyond else {}
        report = Report(done, folder, scenario.name, str(place), begun, lab.kube.memory_mb() if lab else {}, arrived, every)
        report.write()
    print_json(report.as_json()) if as_json else show_report(report)
    if not report.ok:
        raise LabError(f"{'; '.join(report.sentences)} (report: {folder / 'report.html'}).")
