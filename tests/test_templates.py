"""Templates print and never decide; what they print was checked or is quoted."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, nodes
from netaddr import IPAddress, IPNetwork

import night
from examples import ROOT
from netc.emit.host import FILES, netc_host
from netc.emit.render import Verbatim, about, argv, listed, origin, token, units, word
from netc.language.names import COMMON_COMMANDS, CredentialName, DnsName, HostPath, InterfaceName, PartName
from netc.language.values import Endpoint

TEMPLATES = tuple(sorted((ROOT / "templates").rglob("*.j2")))
each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")

PRINTING = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Filter,
    nodes.For,
    nodes.If,
    nodes.Include,
    nodes.Const,
)
"""Nothing that sets, compares, computes or calls. A Const is the name of an included template."""


@each_template
def test_a_template_only_prints(path: Path) -> None:
    parsed = Environment().parse(path.read_text())
    deciding = [f"{n.lineno}: {type(n).__name__}" for n in parsed.find_all(nodes.Node) if not isinstance(n, PRINTING)]

    assert deciding == []


@each_template
def test_a_filter_of_a_template_takes_its_value_alone(path: Path) -> None:
    """A filter with arguments, such as `default(…)`, decides."""
    parsed = Environment().parse(path.read_text())
    decided = [f"{n.lineno}: {n.name}" for n in parsed.find_all(nodes.Filter) if n.args or n.kwargs]

    assert decided == []


@pytest.mark.parametrize(
    "text",
    ["{% set x = 1 %}", "{{ a + 1 }}", "{% if a == b %}{% endif %}", "{{ a() }}", "{% macro m() %}{% endmacro %}"],
)
def test_a_node_that_decides_is_found(text: str) -> None:
    found = [node for node in Environment().parse(text).find_all(nodes.Node) if not isinstance(node, PRINTING)]

    assert found


@each_template
def test_a_template_quotes_nothing_itself(path: Path) -> None:
    """The printer's quotes would land inside. In a comment a quote is an apostrophe."""
    lines = [(number, line) for number, line in enumerate(path.read_text().splitlines(), 1) if line[:1] != "#"]
    quoted = [f"{number}: {line}" for number, line in lines if holds_quoted_value(line)]

    assert quoted == []


def holds_quoted_value(line: str) -> bool:
    quote = ""
    for piece in re.split(r"({{.*?}}|{%.*?%})", line):
        if piece.startswith("{{") and quote:
            return True
        if piece.startswith(("{{", "{%")):
            continue
        for character in piece:
            if character in "\"'" and quote in ("", character):
                quote = "" if quote else character
    return False


@pytest.mark.parametrize(
    ("line", "wrong"), [('x "{{ a }}"', True), ("'a {{ b }}", True), ('"a" {{ b }} "c"', False), ("{{ a }}", False)]
)
def test_a_value_in_quotes_is_seen(line: str, wrong: bool) -> None:
    assert holds_quoted_value(line) == wrong


def test_files_that_are_the_same_on_every_host_have_no_placeholders() -> None:
    plain = [path for path in (ROOT / "templates").rglob("*") if path.is_file() and path.suffix != ".j2"]
    asking = [path for path in plain if "{{ " in path.read_text() or "{% " in path.read_text()]

    assert plain
    assert asking == []


def test_every_template_is_named_by_a_printer_or_a_fact() -> None:
    """A template that nobody prints is found here; `{kind}` in a printer's name of it stands for anything."""
    naming = [path for room in ("emit", "plan/facts") for path in (ROOT / "compiler/netc" / room).rglob("*.py")]
    said = " ".join(path.read_text() for path in naming)
    said += " ".join(re.findall(r"include \"[^\"]+\"", " ".join(path.read_text() for path in TEMPLATES)))
    names = "|".join(re.sub(r"\\{\w+\\}", r"\\w+", re.escape(name)) for name in re.findall(r'"([^"\n]+)"', said))
    unnamed = [
        path
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and not re.fullmatch(rf"(?:\w+/)?(?:{names})", path.name) and path.name not in said
        if path.parent.name != "host" or path.stem not in FILES
    ]

    assert unnamed == []


UNCHECKED = ["netc; flush ruleset", "", "eth0", 'a"b', None, True, False, 1.5, b"x", ["a"], {"a": 1}, ...]


@pytest.mark.parametrize("value", UNCHECKED, ids=repr)
def test_a_token_that_is_no_checked_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        token(value)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (InterfaceName("wg-home"), "wg-home"),
        (IPAddress("2001:db8::1"), "2001:db8::1"),
        (IPNetwork("10.0.0.0/8"), "10.0.0.0/8"),
        (Endpoint(DnsName("vpn.example.net"), 51820), "vpn.example.net:51820"),
        (7000, "7000"),
        (Verbatim("{ a, b }"), "{ a, b }"),
    ],
    ids=str,
)
def test_a_checked_value_is_printed_as_it_is(value: object, printed: str) -> None:
    assert token(value) == printed


@pytest.mark.parametrize("value", [None, True, False, 1.5, b"x", ["a"], ...], ids=repr)
def test_a_value_that_is_no_word_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        word(value)


@pytest.mark.parametrize("filter_", [listed, units])
def test_a_filter_checks_each_of_its_values(filter_: object) -> None:
    assert callable(filter_)
    with pytest.raises(TypeError):
        filter_([PartName("fine"), "netc; flush ruleset"])


@pytest.mark.parametrize("text", ["a\nb", "a;b", "$(a)", "a`b`", "a%n", 'a"b', "a\\"])
def test_the_description_of_a_part_cannot_leave_its_line(text: str) -> None:
    with pytest.raises(TypeError):
        about(text)
    with pytest.raises(TypeError):
        origin(("links", text))


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=night.number(800))
@given(st.lists(words, min_size=1, max_size=20))
def test_bash_reads_a_word_as_it_was_written(texts: list[str]) -> None:
    command = f"printf '%s\\0' {argv(texts)}"
    # A locale of single bytes, so that bash has no opinion on what is a character.
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env={"LC_ALL": "C"})

    assert done.stdout.decode().split("\0")[:-1] == texts


@given(words)
def test_a_word_has_line_breaks_only_if_its_text_has(text: str) -> None:
    assert ("\n" in word(text)) == ("\n" in text)


def test_a_credential_is_read_from_the_directory_of_systemd() -> None:
    command = f"printf '%s' {word(CredentialName('home.key'))}"
    environment = {"CREDENTIALS_DIRECTORY": "/run/credentials/a b"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, text=True, env=environment)

    assert done.stdout == "/run/credentials/a b/home.key"


def test_a_path_of_the_host_is_a_plain_word() -> None:
    assert word(HostPath("/etc/netc/keys/host.key")) == "/etc/netc/keys/host.key"


FUNCTION = re.compile(r"(?m)^\s*(\w+)\(\)")
ON_PURPOSE = {"finish", "source"}
"""What `netc-host` makes mean something else while it reads many `check` scripts."""


def test_no_two_functions_of_one_program_have_the_same_name() -> None:
    """`netc-host` sources the libraries of all parts: the last one would win."""
    # Of a process of its own, or named by it.
    alone = ("anycast.bash", "bird-keeper.bash", "bird-roas.bash", "trial.bash", "bring.bash")
    libraries = [path for path in (ROOT / "templates/bash").glob("*.bash") if path.name not in alone]
    names = {path.name: set(FUNCTION.findall(path.read_text())) for path in libraries}
    names["netc-host"] = set(FUNCTION.findall(netc_host())) - ON_PURPOSE

    assert len(names["netc-host"]) > 80
    assert {(one, other): both for one, other in combinations(names, 2) if (both := names[one] & names[other])} == {}


UNCHECKED_LISTS = {
    "a process's failure is lost in `< <(…)`": re.compile(r"< <\("),
    "a process's failure is lost in `<(…)`": re.compile(r"(?<!< )<\((?!printf )"),
    "a loop does not see that its pipe failed": re.compile(r"(?<!\|)\| *(while|for|until)\b"),
    "a loop over `$(…)` does not see that it failed": re.compile(r"\bfor \w+ in [^;]*\$\("),
    "a loop does not see that its here-string failed": re.compile(r"done *(\S+ *)?<<<"),
    "a here-document may be larger than a pipe, and then needs a file": re.compile(
        r"(?<!<)<<(?!<)-?[\s'\"\\]*[A-Za-z.]"
    ),
    "a here-string may be larger than a pipe, and then needs a file": re.compile(
        r"^(?!.*\bread (-r|-ra) [a-z_ ]+<<<).*<<<"
    ),
    "`local` and `export` hide that `$(…)` failed": re.compile(r"\b(local|export|declare|readonly) [^#]*=\"?\$\([^(]"),
    "`tac` of a pipe needs a file": re.compile(r"\btac\b"),
}
CHECKED_OTHERWISE = {
    # A stream with a time limit. Whoever gets nothing reports everything as missing. A number of /proc/sys.
    # A stream on which nothing ever comes.
    "steps.bash": ("done < <([[ $2 != each_device ]]", '<<<"$2" >/dev/null', "4<> <(:)"),
    # A stream with a time limit, whose last line says that it is whole.
    "confined.bash": ("done < <(systemctl show",),
    # A stream that has no end.
    "uplinks.bash": ("done < <(exec ip -o monitor link address route)",),
    # A stream on which nothing ever comes. What BIRD does not tell of is left as it is, until the next check.
    "anycast.bash": ("exec {never}<> <(:)", "done < <(ask_bird show"),
    # For `status`, which only shows them. The addresses of one name. The next line asks whether it failed.
    "wireguard.bash": ('<(exec "${wg[@]}"', '<<<"$found"', "latest-handshakes)"),
    # Both end with a line that says that they are whole.
    "sets.bash": ("said=$(comm -3 <(",),
    # A table of eight lines.
    "slices.bash": ("nft -f - <<<",),
    # A stream on which nothing ever comes. A token.
    "bring.bash": ("exec 6<> <(:)",),
    "main.bash": ('sha256sum <<<"$token"', 'sha256sum <<<"$1"'),
    # If it fails, the status is not healthy.
    "status.bash": ('"$how" <<<"$all"', 'is_healthy <<<"$all"'),
}


def test_no_list_in_a_script_is_read_from_what_may_fail_unseen() -> None:
    """Such a list is silently too short: an install then does nothing and confirms it."""
    found = []
    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix not in (".bash", ".j2"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.lstrip().startswith("#") or any(known in line for known in CHECKED_OTHERWISE.get(path.name, ())):
                continue
            found += [
                f"{path.name}:{number}: {why}: {line}" for why, form in UNCHECKED_LISTS.items() if form.search(line)
            ]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "done < <(ip link)",
        "mapfile -t pids < <(pids_of)",
        "comm -23 <(sort a) <(sort b)",
        "ip link | while read -r line; do",
        'for unit in $(units_of "$1"); do',
        'done <<<"$lines"',
        'compare "$(sorted <<<"$wanted")"',
        "cat <<'.'",
        "cat <<END",
        "local rules=$(iptables-save)",
        'tac "$history"',
    ],
)
def test_a_list_that_may_fail_unseen_is_found(line: str) -> None:
    assert any(form.search(line) for form in UNCHECKED_LISTS.values())


COMMAND = re.compile(r"(?:^|[|;&({!] *|\$\(|exec |then |do |else )([a-z][a-z0-9-]*)(?= [^)=]| *$|\))")


def test_no_command_of_a_split_hides_a_program_that_scripts_run() -> None:
    """/usr/local/bin comes first in PATH: what `t` itself runs, or netc-host, must not be `t`."""
    lines = [
        line.strip()
        for path in sorted((ROOT / "templates").rglob("*"))
        if path.suffix in (".bash", ".j2") and path.parent.name in ("bash", "host")
        for line in path.read_text().splitlines()
        if not line.lstrip().startswith("#")
    ]
    words = {word for line in lines for word in COMMAND.findall(line)}
    run = {word for word in words if shutil.which(word, path="/usr/sbin:/usr/bin")}

    assert {"flock", "timeout", "unshare", "setpriv", "install"} <= run
    assert sorted(run - set(COMMON_COMMANDS.split())) == []
