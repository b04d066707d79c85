"""Sessions: what is open and chosen, kept in a folder by the user, or by itself during a fit."""
