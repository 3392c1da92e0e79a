"""The only room with SQL. Reads take the actor first; writing is for operations only."""
