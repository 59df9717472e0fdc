"""What most attacks must be answered."""

from __future__ import annotations

from tests.attacks.model import refused

# The hook's answer to an agent's token, and that of the functions that take a person.
AGENT_REFUSED = refused("PT403", "agent_refused")
# The triggers' answer to an agent's token.
GUARDED_TABLE = refused("42501", "agent_refused")
STALE = refused("PT409", "stale_fence")
DENIED = refused("42501", says="permission denied")
NO_FUNCTION = refused("42501", says="permission denied for function")
BY_POLICY = refused("42501", says="violates row-level security")
NO_CLIENT = refused("PT404", "client_not_found")
NO_DRAFT = refused("PT404", "draft_not_found")
INVALID = refused("PT400", "invalid_argument")
INVALID_OUTPUT = refused("PT400", "invalid_output")
