"""`python -m tollway` is `tollway`."""

from tollway.cli.app import main

if __name__ == "__main__":
    main()
