"""`python -m tollway` is `tollway`."""

from tollway.cli.entry import main

if __name__ == "__main__":
    main()
