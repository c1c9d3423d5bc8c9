"""SBOM documents into the one package model, and out of it."""
