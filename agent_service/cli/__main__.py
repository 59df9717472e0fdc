"""So that `python -m agent_service.cli` does what `account-agent` does."""

from agent_service.cli import main

main()
