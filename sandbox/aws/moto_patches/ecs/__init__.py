"""Patches of ECS: services that run tasks.

They may touch moto's ECS in this process.
"""
