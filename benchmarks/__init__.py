"""Time and memory of SFSC against stated limits: `python -m benchmarks.<subject> --json`."""
