"""Checks of arguments, by what is checked: numbers, seeds, ids, tables, class weights; samplers, losses, optimizers.

A check returns the argument in the one form that the library works with (``as_...``) or nothing (``check_...``), or
raises an error that names the argument, what came and what was expected.
"""
