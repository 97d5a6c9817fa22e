"""The reason a program gives stands in its last line; a silent program is no crash of ours."""

from infra.lab.errors import last_line


def test_the_last_line_with_something_in_it_is_the_reason() -> None:
    assert last_line("first\n  the disk is full  \n\n") == "the disk is full"


def test_a_program_that_said_nothing_has_no_reason() -> None:
    assert last_line(" \n") == "no reason given"
    assert last_line("", "no output") == "no output"
