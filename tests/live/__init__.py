"""Tests of live queries."""
