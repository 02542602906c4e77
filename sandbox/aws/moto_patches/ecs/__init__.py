"""Corrections of ECS: services that run tasks.

They may touch the emulator's ECS in this process.
"""
