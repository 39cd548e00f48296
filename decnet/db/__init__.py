"""The only folder that speaks SQL. Functions take a connection and leave the transaction to the caller."""
