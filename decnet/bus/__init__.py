"""Messages between workers: one contract (:mod:`.base`), one list of topics, three implementations."""
