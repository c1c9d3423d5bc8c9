"""Steps as every builder writes them, as Dockerfile instructions."""

import pytest

from mcp_dockerhub.images.instructions import DEFAULT_SHELL, Instruction, dockerfile_lines, parse_instruction, shell_of

BASH = ("/bin/bash", "-o", "pipefail", "-c")


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [
        # The classic builder.
        ("/bin/sh -c #(nop) ADD file:57ab in / ", "ADD file:57ab /"),
        ("/bin/sh -c #(nop) COPY multi:0abc in /usr/local/bin/ ", "COPY multi:0abc /usr/local/bin/"),
        ("/bin/sh -c #(nop) COPY --chown=a:b dir:0abc in /app", "COPY --chown=a:b dir:0abc /app"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ('/bin/sh -c #(nop)  ENTRYPOINT &{["docker-entrypoint.sh"]}', 'ENTRYPOINT ["docker-entrypoint.sh"]'),
        ('/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "echo $HOME"]', "CMD echo $HOME"),
        ("/bin/sh -c #(nop)  VOLUME [/a /b]", 'VOLUME ["/a", "/b"]'),
        ("/bin/sh -c #(nop) WORKDIR /x", "WORKDIR /x"),
        ("/bin/sh -c #(nop)  USER [node]", "USER node"),
        ("/bin/sh -c #(nop)  ONBUILD RUN /bin/sh -c make", "ONBUILD RUN make"),
        ("/bin/sh -c apk add x", "RUN apk add x"),
        ("|2 A=1 B=x y /bin/sh -c apk add foo", "RUN apk add foo"),
        ("/bin/bash -o pipefail -c #(nop)  EXPOSE 443/tcp 80/tcp", "EXPOSE 443/tcp 80/tcp"),
        # BuildKit.
        ("RUN /bin/sh -c make install # buildkit", "RUN make install"),
        ("RUN |1 VERSION=1.2 x /bin/sh -c make # buildkit", "RUN make"),
        ("COPY /go/bin/app /app # buildkit", "COPY /go/bin/app /app"),
        ("EXPOSE map[80/tcp:{} 443/tcp:{}]", "EXPOSE 443/tcp 80/tcp"),
        ("EXPOSE [6379/tcp]", "EXPOSE 6379/tcp"),
        ('CMD ["nginx" "-g" "daemon off;"]', 'CMD ["nginx", "-g", "daemon off;"]'),
        ('CMD ["a","b"]', 'CMD ["a", "b"]'),
        ("VOLUME [/data]", 'VOLUME ["/data"]'),
        ("VOLUME /data", "VOLUME /data"),
        ('VOLUME ["/data"]', 'VOLUME ["/data"]'),
        ("SHELL [/bin/bash -o pipefail -c]", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]'),
        ("STOPSIGNAL SIGQUIT", "STOPSIGNAL SIGQUIT"),
        ("ARG VERSION=1", "ARG VERSION=1"),
        ("ENV A=b c=d e", 'ENV A=b c="d e"'),
        ('LABEL note=say "hi" \\o/', 'LABEL note="say \\"hi\\" \\\\o/"'),
        ('LABEL note="quoted"', 'LABEL note="quoted"'),
        ("ENV nothing", "ENV nothing"),
        ("CMD [nginx -g]", "CMD [nginx -g]"),
        ("ENTRYPOINT top -b", "ENTRYPOINT top -b"),
        ('CMD ["a\\qb"]', 'CMD ["a\\\\qb"]'),
        # Health checks, with the retries as a character.
        (
            'HEALTHCHECK &{["CMD" "a" "b"] "30s" "3s" "0s" \'\\x03\'}',
            'HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD ["a", "b"]',
        ),
        (
            'HEALTHCHECK &{["CMD-SHELL" "a || b"] "0s" "0s" "5s" "2s" \'\\a\'}',
            "HEALTHCHECK --start-period=5s --start-interval=2s --retries=7 CMD a || b",
        ),
        ('HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" \'\\x00\'}', "HEALTHCHECK CMD a"),
        ('HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" \'(\'}', "HEALTHCHECK --retries=40 CMD a"),
        ('HEALTHCHECK &{["NONE"] "0s" "0s" "0s" \'\\x00\'}', "HEALTHCHECK NONE"),
        ("HEALTHCHECK something else", "HEALTHCHECK something else"),
        # Windows.
        ("cmd /S /C #(nop) ENV A=b", "ENV A=b"),
        ("cmd /S /C dir", 'RUN ["cmd", "/S", "/C", "dir"]'),
        # Not fooled.
        ('/bin/sh -c echo "#(nop) CMD hi"', 'RUN echo "#(nop) CMD hi"'),
        ("RUN /bin/bash -c set -e", 'RUN ["/bin/bash", "-c", "set -e"]'),
        ("RUN tool --flag", "RUN tool --flag"),
        ("bazel build //:image", "bazel build //:image"),
        ("", ""),
    ],
)  # fmt: skip
def test_every_way_of_writing_a_step_is_understood(created_by: str, expected: str) -> None:
    assert str(parse_instruction(created_by)) == expected


@pytest.mark.parametrize("link", ["ONBUILD ", "/bin/sh -c #(nop)  ONBUILD "])
def test_a_chain_of_triggers_is_not_followed(link: str) -> None:
    said = link * 1_300
    parsed = parse_instruction(said)
    assert (parsed.keyword, parsed.arguments) == ("ONBUILD", said[:16_384].strip().removeprefix(link).strip())


def test_the_shell_in_force_is_left_out_of_a_command() -> None:
    step = "RUN /bin/bash -o pipefail -c curl x | tar x # buildkit"
    assert str(parse_instruction(step, BASH)) == "RUN curl x | tar x"
    assert str(parse_instruction(step, DEFAULT_SHELL)).startswith('RUN ["/bin/bash", ')


def test_a_shell_instruction_sets_the_shell_for_what_follows() -> None:
    assert shell_of(parse_instruction("SHELL [/bin/bash -o pipefail -c]")) == BASH
    assert shell_of(parse_instruction("SHELL broken")) is None
    assert shell_of(parse_instruction("CMD x")) is None


def test_long_commands_are_folded_where_that_changes_nothing() -> None:
    command = "set -x     && addgroup -S nginx     && apk add --no-cache nginx gettext && echo '  # not a comment'"
    assert dockerfile_lines(Instruction("RUN", command)) == [
        "RUN set -x \\",
        "    && addgroup -S nginx \\",
        "    && apk add --no-cache nginx gettext \\",
        "&& echo '  # not a comment'",
    ]
    assert dockerfile_lines(Instruction("RUN", "a  && b")) == ["RUN a  && b"]


def test_a_script_of_several_lines_becomes_a_here_document() -> None:
    script = "set -e\nEOF\napk add x"
    assert dockerfile_lines(Instruction("RUN", script)) == ["RUN <<EOF_", "set -e", "EOF", "apk add x", "EOF_"]


def test_no_other_instruction_spans_lines_that_could_pass_for_instructions() -> None:
    assert dockerfile_lines(parse_instruction("LABEL a=x\nRUN evil")) == ['LABEL a="x RUN evil"']


def test_what_is_no_instruction_becomes_a_comment() -> None:
    assert dockerfile_lines(parse_instruction("bazel build\nRUN x")) == ["# bazel build", "# RUN x"]
    assert dockerfile_lines(parse_instruction("# debian.sh --arch 'amd64'")) == ["# debian.sh --arch 'amd64'"]
