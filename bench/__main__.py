"""``make bench``."""

from __future__ import annotations

from bench import direct

direct.main()
