"""The AWS side of the sandbox: moto behind corrections, IAM enforcement, faults and a record of calls.

It may touch the emulator in this process.
"""
