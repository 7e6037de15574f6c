"""What SFSC costs against stated limits: `python -m benchmarks.<subject> --json`."""
