"""The one way in: events and everything they imply, stored in one transaction."""
