"""Measures gateways as ratios to nginx in front of the same cheap engine, in one run.

`python -m bench` runs it; the table goes to `bench/RESULTS.md`. Nothing of the product is
imported: it is started as a program, like every other target.
"""
