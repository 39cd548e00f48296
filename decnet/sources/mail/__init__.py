"""Messages: one extractor for the SMTP decoy and for files, which looks at a message once and keeps no word of it."""
