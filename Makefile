# The verbs. CI runs the same scripts, so green here is green there.

.PHONY: help run test check ci bench pgo up down

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile

run: ## the proxy with stand-ins for ClearML's services, on this machine only
	cargo run --release -- run --demo

test: ## every Rust test: units, house rules, end to end through the real binary
	cargo test

check: ## before a commit: form, lints, house rules, documents
	bash .ci/check.sh

ci: ## all that must be green: installs what is missing, then check, test, real clients, browser
	bash .ci/run

bench: pgo ## Clearway beside nginx and HAProxy; writes benches/results and docs/performance.md; an hour on a quiet machine
	cargo build --release
	python3 benches/peers/run.py --clearway target/pgo/clearway --also plain=target/release/clearway
	python3 benches/peers/run.py memory --clearway target/pgo/clearway
	python3 benches/peers/run.py syscalls --clearway target/pgo/clearway
	python3 benches/peers/run.py instructions
	python3 benches/peers/run.py report

pgo: ## the release binary as it should be shipped, target/pgo/clearway: built twice, the second time with a profile
	python3 benches/peers/run.py pgo

up: ## ClearML Server with Clearway in front, from docker-compose.yml and .env
	docker compose up --detach --build

down: ## stops it; data stays
	docker compose down
