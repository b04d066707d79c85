"""Batches: many stacks handed over to a process of their own, and watched."""
