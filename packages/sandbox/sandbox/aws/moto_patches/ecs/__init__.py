"""Patches of ECS: services that run tasks.

They touch moto's ECS in this process.
"""
