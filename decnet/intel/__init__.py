"""Indicator in, a third party's verdict out; and the bulk lists that are asked without sending anything anywhere."""
