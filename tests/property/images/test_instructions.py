"""What holds for any history a builder, or somebody who means ill, may write."""

import json
import time

from hypothesis import given
from hypothesis import strategies as st

from mcp_dockerhub.images.instructions import MAX_STEP, build_arguments, dockerfile_lines, parse_instruction
from mcp_dockerhub.images.withheld import withhold

WORDS = st.text(st.characters(codec="utf-8", exclude_characters='"\\'), max_size=20)
KEYWORDS = ["RUN ", "ENV ", "CMD ", "HEALTHCHECK ", "COPY file:ab in /x", "/bin/sh -c ", "#(nop) ", "|2 A=b "]
SYNTAX = ['["a" "b"]', "&{[", "map[80/tcp:{}]", " # buildkit", "\n", "\t\t", "  && ", "#", '"', "'", "\\", "EOF"]
PIECES = st.sampled_from([*KEYWORDS, *SYNTAX, "PASSWORD=hunter2 "])
STEPS = st.lists(st.one_of(PIECES, WORDS), max_size=12).map("".join)


@given(STEPS)
def test_any_step_gives_lines_that_a_dockerfile_can_hold(step: str) -> None:
    lines = dockerfile_lines(parse_instruction(step))
    assert all("\n" not in line for line in lines)


@given(STEPS)
def test_folding_a_command_changes_nothing_but_line_breaks(step: str) -> None:
    instruction = parse_instruction(f"RUN {step}")
    lines = dockerfile_lines(instruction)
    if instruction.keyword == "RUN" and "\n" not in instruction.arguments:
        joined = "".join(line.removesuffix("\\") for line in lines[:-1]) + lines[-1]
        assert joined == f"RUN {instruction.arguments}"
        assert not any(line.lstrip().startswith("#") for line in lines[1:])


@given(STEPS)
def test_splitting_off_build_arguments_loses_nothing(step: str) -> None:
    split = build_arguments(step)
    assert split is None or "".join(split) == step


@given(st.lists(WORDS.filter(str.strip), min_size=1, max_size=5))
def test_a_list_as_go_prints_it_becomes_json(words: list[str]) -> None:
    printed = " ".join(json.dumps(word) for word in words)
    instruction = parse_instruction(f"ENTRYPOINT [{printed}]")
    if words[:2] != ["/bin/sh", "-c"]:
        assert json.loads(instruction.arguments) == words


@given(st.sampled_from(["ENV", "ARG", "LABEL", "/bin/sh -c #(nop)  ENV"]), st.lists(WORDS, max_size=4))
def test_a_value_under_a_secret_name_never_shows(declaration: str, words: list[str]) -> None:
    secret = "tr0ub4dor"
    value = " ".join([secret, *(word for word in words if "=" not in word)])
    assert secret not in withhold(f"{declaration} DB_PASSWORD={value}")


def test_hostile_steps_are_read_in_linear_time() -> None:
    """A quadratic pattern takes seconds for one of these; the deadline is far above what all of them need."""
    started = time.process_time()
    for piece in ("/", "/a", " -c", "|1 ", '["', "powershell ", "map[", "a=", '"\\', "\t", " ", "sh -c ", "x:{}"):
        step = piece * (4 * MAX_STEP // len(piece))
        for head in ("", "RUN ", "RUN |1 ", "ENV ", "HEALTHCHECK &{[", "EXPOSE map["):
            dockerfile_lines(parse_instruction(withhold(head + step)))
    assert time.process_time() - started < 5
