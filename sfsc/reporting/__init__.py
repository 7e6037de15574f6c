"""Reporting: from result files to tables, figures and one page that shows them."""
