"""The weekly workbook: a sheet a list."""
