"""The HTTP API: who asks, what they may, what the database says; pages, streams and exports of it."""
