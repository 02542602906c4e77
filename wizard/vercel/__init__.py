"""Vercel's API."""
