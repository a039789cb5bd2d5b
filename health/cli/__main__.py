"""Run the command as `python -m health.cli`."""

from health.cli import main

if __name__ == "__main__":
    main()
