"""Whatever AWS refuses, the next command goes on from there: nothing is made twice, nothing is lost from the state."""

from __future__ import annotations

from tests.support.cloud_stack import CloudStack, done

MOST_ATTEMPTS = 40
TAGS = "CreateTags"  # one in three requests; tags are a second step of many, of which the others are refused
STEPS = ("--yes", "--skip-preview")


def ended(stack: CloudStack, command: str, good: str = "nothing") -> int:
    """Repeat a command until it succeeds or fails by nothing but `good`; returns how many attempts AWS made fail."""
    for failed in range(MOST_ATTEMPTS):
        refused = len(stack.account.refused)
        ended = stack.engine.run(command, *STEPS)
        said = " ".join(ended.stdout.split())
        if ended.returncode == 0 or (good in said and "503" not in said):
            return failed
        assert "Service Unavailable (503)" in said, ended.stdout
        assert len(stack.account.refused) > refused, ended.stdout
    raise AssertionError(f"{command} doesn't get to its end in {MOST_ATTEMPTS} attempts")


def test_each_request_that_aws_refuses_once_is_repaired_by_the_next_up(stack: CloudStack) -> None:
    stack.account.refuse(f"(?!{TAGS})")
    failed = ended(stack, "up")
    print(f"{len(stack.account.refused)} requests were refused once, in {failed} attempts")
    assert len(stack.account.refused) > sum(stack.made().values())
    assert stack.made() == stack.recorded()
    assert stack.machine()["State"]["Name"] == "running"
    stack.account.changes.clear()
    assert set(stack.up()) == {"unchanged"}
    assert stack.account.changes == []


def test_each_request_of_a_destroy_that_aws_refuses_once_is_made_up_for_by_the_next(lab: CloudStack) -> None:
    lab.account.refuse(".*")
    ended(lab, "destroy", good="is protected")
    assert lab.made() == lab.recorded()
    assert {kind for kind, number in lab.made().items() if number} == {"aws:s3/bucket:Bucket"}


def test_a_machine_that_aws_had_no_room_for_is_made_by_the_next_up_and_the_rest_stays(stack: CloudStack) -> None:
    stack.account.refuse("RunInstances")
    said = stack.engine.fails("up", "--yes", "--skip-preview")
    assert "Instance lab was not made: AWS refused run_instances: Service Unavailable (503)." in said
    assert done(stack.engine.up())["created"]
    assert stack.made() == stack.recorded()
