"""Packages in, known vulnerabilities out."""
