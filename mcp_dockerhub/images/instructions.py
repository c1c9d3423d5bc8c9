"""What a step of an image's history says, as a Dockerfile instruction.

Every builder writes ``created_by`` its own way: the classic builder ``/bin/sh -c #(nop) CMD ["x"]`` and
``|1 A=b /bin/sh -c make``, BuildKit ``RUN |1 A=b /bin/sh -c make # buildkit``, others whatever they like.
Lists and structures come as Go prints them.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_STEP: Final = 16_384
"""Characters of one step that are looked at."""
DEFAULT_SHELL: Final = ("/bin/sh", "-c")

_KEYWORDS: Final = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD"}
    | {"RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_BUILDKIT: Final = "# buildkit"
_NOP: Final = re.compile(r"^[^#\n\"]{0,512}#\(nop\)\s*(?=(?P<keyword>[A-Z]+))")
_BUILD_ARGUMENTS: Final = re.compile(r"(?:RUN )?\|[0-9]+ ")
_SHELL: Final = re.compile(
    r"(?:^|(?<=\s))(?P<shell>(?:/[\w./-]{0,64}/)?(?:ba|a|da|z|k)?sh(?: -[\w]+(?: pipefail)?)*? -\w*c"
    r"|cmd(?:\.exe)? /S /C|(?:[\w:\\.]{0,64}\\)?(?:pwsh|powershell)(?:\.exe)?[^\n]{0,200}? -[Cc]ommand)(?:\s|$)"
)
_CLASSIC_SOURCE: Final = re.compile(
    r"^(?P<flags>(?:--\S+ )*)(?P<source>(?:file|dir|multi):[0-9a-f]+) in (?P<to>.*)$", re.DOTALL
)
_GO_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_GO_STRINGS: Final = re.compile(r'^\s*(?:"(?:[^"\\]|\\.)*"[\s,]*)*$', re.DOTALL)
_MAP_ENTRY: Final = re.compile(r"(?<!\S)([^\s:\[\]]{1,256}):\{\}")
_PAIR_START: Final = re.compile(r"^[^\s=\"']+=")
_HEALTHCHECK: Final = re.compile(
    r"^&?\{\[(?P<test>(?:\s*\"(?:[^\"\\]|\\.)*\")*)\](?P<times>(?: \"[^\"]*\")*)"
    r" '(?P<retries>.|\\.|\\x[0-9a-f]{2})'\}$",
    re.DOTALL,
)
_GO_CONTROL: Final = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_PLAIN_VALUE: Final = re.compile(r"[^\s\"'\\#]*")
_FOLD: Final = re.compile(r"(?<=\S)(?: (?=[ \t]+(?![#\s])|&& (?!#))|(?=\t+(?![#\s])))")
_FOLD_FROM: Final = 80


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; without a ``keyword`` it is none that a Dockerfile knows, and ``arguments`` what it said."""

    keyword: str
    arguments: str

    def __str__(self) -> str:
        return f"{self.keyword} {self.arguments}".strip()


def parse_instruction(created_by: str, shell: Sequence[str] = DEFAULT_SHELL) -> Instruction:
    """Read one step; ``shell`` is what the last SHELL instruction before it set."""
    text = created_by[:MAX_STEP].strip().removesuffix(_BUILDKIT).rstrip()
    nop = _NOP.match(text)
    if nop and nop["keyword"] in _KEYWORDS:
        text = text[nop.end() :]
    keyword, _, rest = text.partition(" ")
    if keyword in _KEYWORDS and keyword != "RUN":
        write = _WRITERS.get(keyword)
        return Instruction(keyword, write(rest.strip()) if write else rest.strip())
    if keyword == "RUN":
        return Instruction("RUN", _run(rest.strip(), shell))
    if _BUILD_ARGUMENTS.match(text) or _SHELL.match(text):
        return Instruction("RUN", _run(text, shell))
    return Instruction("", text)


def shell_of(instruction: Instruction) -> tuple[str, ...] | None:
    """The shell a SHELL instruction sets for what follows; None for any other."""
    if instruction.keyword != "SHELL":
        return None
    try:
        return tuple(str(word) for word in json.loads(instruction.arguments))
    except ValueError:
        return None


def dockerfile_lines(instruction: Instruction) -> list[str]:
    """The instruction as lines of a Dockerfile. What is no instruction becomes a comment."""
    if not instruction.keyword:
        return [line if line.startswith("#") else f"# {line}".rstrip() for line in instruction.arguments.splitlines()]
    if instruction.keyword != "RUN":
        return [" ".join(str(instruction).split("\n"))]
    if "\n" in instruction.arguments:
        return _here_document(instruction.arguments)
    return f"RUN {_fold(instruction.arguments)}".split("\n")


def build_arguments(created_by: str) -> tuple[str, str, str] | None:
    """A command split at its build arguments: ``RUN |1 ``, ``A=b``, `` /bin/sh -c make``; None without any."""
    head = _BUILD_ARGUMENTS.match(created_by)
    shell = _SHELL.search(created_by, head.end()) if head else None
    if head is None or shell is None:
        return None
    end = max(shell.start() - 1, head.end())
    return created_by[: head.end()], created_by[head.end() : end], created_by[end:]


def _run(text: str, shell: Sequence[str]) -> str:
    """A command without the builder's arguments and without the shell that runs it anyway."""
    split = build_arguments(text)
    command = split[2].strip() if split else text
    found = _SHELL.match(command)
    if found is None:
        return command
    used = tuple(found["shell"].split())
    rest = command[found.end() :].strip()
    return rest if used == tuple(shell) else _json([*used, rest])


def _copied(text: str) -> str:
    classic = _CLASSIC_SOURCE.match(text)
    return f"{classic['flags']}{classic['source']} {classic['to'].strip()}" if classic else text


def _declared(text: str) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in split_pairs(text)) or text


def _json_list(text: str) -> str:
    return _json(_listed(text)) if text.startswith(("[", "map[")) else text


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def split_pairs(text: str) -> list[tuple[str, str]]:
    """``A=b C=d e`` as history writes it: unquoted, so a word without ``=`` belongs to the value before it."""
    pairs: list[tuple[str, str]] = []
    for word in text.split(" "):
        if _PAIR_START.match(word):
            name, _, value = word.partition("=")
            pairs.append((name, value))
        elif pairs:
            name, value = pairs[-1]
            pairs[-1] = (name, f"{value} {word}")
    return pairs


def _quoted(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value) or (len(value) > 1 and value[0] == value[-1] == '"'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _exec_form(text: str) -> str:
    """``["a" "b"]``, ``&{["a"] …}`` and JSON as a JSON list; a command given to the default shell as plain text."""
    body = text.removeprefix("&{").removesuffix("}") if text.startswith("&{") else text
    if not (body.startswith("[") and body.endswith("]")):
        return text
    words = _go_strings(body[1:-1])
    if words is None:
        return text
    if tuple(words[:2]) == DEFAULT_SHELL and len(words) == 3:
        return words[2]
    return _json(words)


def _go_strings(text: str) -> list[str] | None:
    if not _GO_STRINGS.match(text):
        return None
    return [_unescaped(word) for word in _GO_STRING.findall(text)]


def _unescaped(word: str) -> str:
    try:
        return str(json.loads(f'"{word}"', strict=False))
    except ValueError:
        return word


def _triggered(text: str) -> str:
    """The instruction after ONBUILD. Docker allows no second ONBUILD there, so a chain of them is left as it is."""
    nop = _NOP.match(text)
    chained = text[nop.end() if nop else 0 :].startswith("ONBUILD")
    return text if chained else str(parse_instruction(text))


def _listed(text: str) -> list[str]:
    """Words of ``[a b]``, keys of ``map[a:{} b:{}]``, words of plain text, in order."""
    if text.startswith("map["):
        return sorted(_MAP_ENTRY.findall(text[4:]))
    if not (text.startswith("[") and text.endswith("]")):
        return text.split()
    quoted = _go_strings(text[1:-1])
    return quoted or text[1:-1].split()


def _healthcheck(text: str) -> str:
    match = _HEALTHCHECK.match(text)
    if match is None:
        return text
    test = _go_strings(match["test"]) or ["NONE"]
    if test[0] == "NONE":
        return "NONE"
    times = _GO_STRING.findall(match["times"])
    names = ("interval", "timeout", "start-period", "start-interval")
    options = [f"--{name}={value}" for name, value in zip(names, times, strict=False) if value != "0s"]
    retries = _rune(match["retries"])
    if retries:
        options.append(f"--retries={retries}")
    command = " ".join(test[1:]) if test[0] == "CMD-SHELL" else _json(test[1:])
    return " ".join([*options, "CMD", command])


def _rune(text: str) -> int:
    """The number behind a Go character literal: builders print a count of retries that way."""
    if not text.startswith("\\"):
        return ord(text)
    return _GO_CONTROL[text[1]] if text[1] in _GO_CONTROL else int(text[2:] or "0", base=16)


def _json(words: Sequence[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)


def _fold(command: str) -> str:
    """A long command over several lines.

    Only a backslash and a line break are put in, and never before a ``#``: a builder takes both out again, so
    the command stays the same to the byte.
    """
    return _FOLD.sub("\\g<0>\\\\\n", command) if len(command) > _FOLD_FROM else command


def _here_document(script: str) -> list[str]:
    lines = script.split("\n")
    marker = "EOF"
    while marker in lines:
        marker += "_"
    return [f"RUN <<{marker}", *lines, marker]


_WRITERS: Final[dict[str, Callable[[str], str]]] = {
    "ADD": _copied,
    "CMD": _exec_form,
    "COPY": _copied,
    "ENTRYPOINT": _exec_form,
    "ENV": _declared,
    "EXPOSE": lambda text: " ".join(_listed(text)),
    "HEALTHCHECK": _healthcheck,
    "LABEL": _declared,
    "ONBUILD": _triggered,
    "SHELL": _json_list,
    "STOPSIGNAL": _bare,
    "USER": _bare,
    "VOLUME": _json_list,
    "WORKDIR": _bare,
}
"""How what a builder recorded is written in a Dockerfile; what is not here is written as it is recorded."""
