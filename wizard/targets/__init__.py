"""The deploy targets: where the application runs, and what each of them needs."""
