"""Makes `python -m pipeline` the same as `marquee`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
