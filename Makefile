# SPDX-License-Identifier: MIT
# A thin door to CMake and the scripts in tests/. `make` alone says what there is.
BUILD  ?= build
ASAN   ?= build-asan
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
TYPE   ?= RelWithDebInfo
# Several files in one compilation take the compiler 0.65 x the time. `make lint` compiles each alone.
UNITY  ?= -DCMAKE_UNITY_BUILD=ON
# Optimizing what the sanitizers add takes the compiler six times as long, and finds no more.
ASAN_FLAGS ?= -O0 -g1

BIN_DIR := $(DESTDIR)$(PREFIX)/bin
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETION_DIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions

# `sudo make` in a user's checkout must not leave files there that the user cannot remove.
give_back = if [ "$$(id -u)" = 0 ]; then chown -R --reference=Makefile $(1); fi

.PHONY: help demo test test-faults test-normal test-asan build asan install uninstall bench lint format clean

help:
	@echo 'sudo make demo       install what is needed, build, publish nginx, fetch its page, clean up'
	@echo 'sudo make test       install what is needed, run all tests: normal and sanitized build'
	@echo 'sudo make test-faults every step and every system call fails or is killed once (a quarter of an hour)'
	@echo 'make build           build into $(BUILD)/ (sudo tests/packages.sh build installs the tools)'
	@echo 'sudo make install    copy programs, manuals and bash completions below PREFIX=$(PREFIX)'
	@echo 'sudo make uninstall  remove exactly these again'
	@echo 'sudo make bench      start times beside bare clone(2), bubblewrap, crun and docker'
	@echo 'make lint            clang-format, clang-tidy and the rules of the house'
	@echo 'make format          let clang-format write'
	@echo 'make clean           remove the build directories'
	@echo 'Parts of test: sudo make test-normal, sudo make test-asan (they install nothing).'

build:
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=$(TYPE) $(UNITY) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@$(call give_back,$(BUILD))

asan:
	@cmake -S . -B $(ASAN) -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS='$(ASAN_FLAGS)' $(UNITY) -DSANITIZE=ON -DTEST_POINTS=ON >/dev/null
	@cmake --build $(ASAN) -j $(JOBS)
	@$(call give_back,$(ASAN))

demo:
	@tests/packages.sh build demo
	@$(MAKE) --no-print-directory build
	@tests/demo.sh $(BUILD)/mini-run

test:
	@tests/packages.sh build demo test
	@$(MAKE) --no-print-directory build asan
	@tests/all.sh $(BUILD) $(ASAN)

test-faults:
	@tests/packages.sh build demo test
	@$(MAKE) --no-print-directory asan
	@MINI_RUN_FAULTS=all tests/run $(ASAN) crash && MINI_RUN_FAULTS=all tests/run $(ASAN) undo

test-normal: build
	@tests/run $(BUILD)

test-asan: asan
	@tests/run $(ASAN)

install: build
	for name in mini-run minictl; do \
	  install -D -s -m 755 $(BUILD)/$$name $(BIN_DIR)/$$name && \
	  install -D -m 644 docs/$$name.1 $(MAN_DIR)/$$name.1 && \
	  install -D -m 644 docs/completion/$$name.bash $(COMPLETION_DIR)/$$name || exit; \
	done

uninstall:
	for name in mini-run minictl; do \
	  rm -f $(BIN_DIR)/$$name $(MAN_DIR)/$$name.1 $(COMPLETION_DIR)/$$name; \
	done

bench:
	@tests/packages.sh build demo bench
	@$(MAKE) --no-print-directory build
	@tests/bench/run --build $(BUILD) $(BENCH_ARGS)
	@tests/bench/life --build $(BUILD)
	@tests/bench/ports --build $(BUILD)
	@tests/bench/traffic --build $(BUILD)
	@$(call give_back,$(BUILD))

lint:
	@cmake -S . -B $(BUILD)/lint -DCMAKE_BUILD_TYPE=$(TYPE) >/dev/null
	@tests/lint.sh $(BUILD)/lint $(JOBS)

format:
	find runtime netsetup rootfs tests -name '*.[ch]' -o -name '*.cpp' | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(ASAN)
