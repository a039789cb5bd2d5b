"""What every model shares: inputs, log-odds, calibration, contributions and time splits."""
