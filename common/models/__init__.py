"""Whole models, put together of the cells, layers and losses one room below."""
