"""Requests with the answers that the documented behaviour of PostgREST and of Supabase's gateway asks for.

Each names its rule. Expected values follow from the rule and from schema.sql; none was copied from an answer.
"""

from __future__ import annotations

from ._vector import ANY, Vector
from .calls import CALLS
from .errors import ERRORS, LEFT_OUT
from .filters import FILTERS
from .reads import READS
from .tokens import TOKENS
from .writes import WRITES

__all__ = ["ANY", "VECTORS", "Vector"]

VECTORS = [*FILTERS, *READS, *WRITES, *CALLS, *ERRORS, *LEFT_OUT, *TOKENS]
