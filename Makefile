# `make demo` and `make test` work on a fresh Debian or Ubuntu with python3: they make their own environment in .venv.
SHELL := bash
VENV := .venv
PYTHON := $(VENV)/bin/python

# What the live, machine and VM tests run: the tools of a target, userspace WireGuard, a stock kernel and what boots it,
# and what an operator reaches hosts by.
PACKAGES := iproute2 nftables ipset iptables wireguard-tools wireguard-go bird2 tcpdump conntrack iputils-ping procps kmod \
	python3-venv systemd systemd-container debootstrap linux-image-amd64 qemu-system-x86 busybox-static util-linux \
	openssh-client strace git socat prometheus

.PHONY: least newest demo test beside machines check stock night random matrix vm bench clean packages

demo: $(VENV)/.ready
	$(VENV)/bin/netc build examples/seedbox.toml -o .cache/demo
	@cd .cache/demo && find . -type f | sort

PYTEST := $(PYTHON) -m pytest -p no:cacheprovider --durations=20
# Most tests wait for packets, so six go side by side, and two that boot machines beside them (a module's tests share
# theirs); what counts lost packets has the processors to itself.
BESIDE := $(PYTEST) -n 6 --dist worksteal -m "not (machine or vm or alone)"
MACHINES := $(PYTEST) -n 2 --dist loadfile -m machine
ALONE := $(PYTEST) -m alone

# Everything but the stock kernel, with a twentieth of the large draws. As root, or in CI, it installs what it needs;
# elsewhere it ends with what could not run and how to enable it.
test: packages $(VENV)/.tested check
	@$(MAKE) --no-print-directory --output-sync=target -j 2 beside machines
	$(ALONE) $(DRAWN)

beside:
	$(BESIDE) $(DRAWN)
machines:
	$(MACHINES) $(DRAWN)

# What a stock kernel decides (`stock`), emulated. CI runs it after `make test`.
stock: packages $(VENV)/.tested
	$(PYTEST) -m vm

# What needs no root, with the least versions of the libraries that pyproject.toml names, beside the newest of others.
FORMS := pytest -W ignore::DeprecationWarning -p no:cacheprovider -q -n 2 \
	tests/test_cli.py tests/test_fmt.py tests/test_schema.py tests/test_sets.py
INSTALL := -m pip install --quiet --disable-pip-version-check pytest pytest-xdist hypothesis taplo tombi --editable .
LEAST := .cache/least
least: $(LEAST)/.ready
	$(LEAST)/bin/python -m $(FORMS)

$(LEAST)/.ready: pyproject.toml
	rm -rf $(LEAST)
	python3 -m venv $(LEAST)
	$(LEAST)/bin/python $(INSTALL) $$(sed -n '/^dependencies/,/^]/s/.*"\(.*\)>=\(.*\)",/\1==\2.*/p' pyproject.toml)
	@touch $@

# The same with the newest Python that netc supports, 3.13 of Debian 13: in a root of it, which only root makes.
NEWEST := .cache/newest
OF_TRIXIE = unshare --mount --propagation=private bash -c 'mount -n --rbind "$$0/usr" /usr && exec "$$@"' \
	"$$(PYTHONPATH=tests $(PYTHON) -c 'from machine import root; print(root.debian_root(("python3-venv",), "trixie"))')"
newest: $(NEWEST)/.ready
	$(OF_TRIXIE) $(NEWEST)/bin/python -m $(FORMS)

$(NEWEST)/.ready: pyproject.toml | packages $(VENV)/.tested
	rm -rf $(NEWEST)
	$(OF_TRIXIE) /usr/bin/python3 -m venv $(NEWEST)
	$(OF_TRIXIE) $(NEWEST)/bin/python $(INSTALL)
	@touch $@

check: $(VENV)/.tested
	$(VENV)/bin/ruff check compiler tests
	$(VENV)/bin/mypy

# `make test` with the large draws at full size (tests/night.py): random topologies, spoiled examples, every moment of a
# kill and every step that fails, by another seed each night. `make night SEED=…` tries the same ones again.
night: SEED := $(or $(SEED),$(shell date +%s))
night: export DRAWN = --night "$(SEED)" --hypothesis-seed="$(SEED)"
night:
	@echo "SEED=$(SEED)"
	@$(MAKE) --no-print-directory test DRAWN='$(DRAWN)'

# Random topologies that mix all features: so many are built with `--verify`, so many brought up in namespaces. It prints
# the figures, and of each failure the seed that repeats it.
random: packages $(VENV)/.tested
	PYTHONPATH=tests $(PYTHON) -m mixed $(or $(N),1000) $(or $(UP),200) $(or $(SEED),$(shell date +%s))

# What hosts may have in place of this machine's: each Debian boots all machine tests, and BIRD of each series runs the
# suites of BGP, in a root of its release.
RELEASES := debian-12 debian-13
BIRDS := 2.17 3.1
ROUTING := tests/live/test_bgp*.py tests/live/test_dn42.py tests/live/test_anycast.py
matrix: packages $(VENV)/.tested
	for release in $(RELEASES); do NETC_RELEASE="$$release" $(MACHINES) || exit; done
	for bird in $(BIRDS); do NETC_BIRD="$$bird" $(BESIDE) $(ROUTING) || exit; done

# Every live test on the stock kernel of each release (6.1, 6.12), emulated: with two processors some hours each.
vm: packages $(VENV)/.tested
	for release in $(RELEASES); do NETC_RELEASE="$$release" PYTHONPATH=tests $(PYTHON) tests/vm/boot.py || exit; done

# Every figure beside a peer's on the same work: .cache/bench/report.md. `make bench ONLY="mesh sets"` takes some subjects.
# It installs the peers (tests/bench/peers.py): Python's into .cache/bench/peers, and, as root, Debian's.
bench: packages $(VENV)/.tested
	PYTHONPATH=tests $(PYTHON) -m bench $(ONLY)

# Ubuntu keeps its kernel under another name; where the packages cannot be had, the tests say what they miss.
packages:
	@if [ "$$(id -u)" = 0 ]; then \
		dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(PACKAGES) >/dev/null; }; \
	fi

$(VENV)/bin/python:
	python3 -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
		echo "python3 cannot make an environment here: apt-get install python3-venv" >&2; \
		[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null && \
		python3 -m venv $(VENV); }

$(VENV)/.ready: pyproject.toml | $(VENV)/bin/python
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tested: pyproject.toml | $(VENV)/bin/python
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.ready

clean:
	rm -rf $(VENV) .cache
