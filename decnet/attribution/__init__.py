"""Events become sessions, attackers and what they have in common. Pure: workers apply it."""
