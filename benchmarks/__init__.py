"""Ratios against bare passes and peers, measured in one run: see __main__."""
