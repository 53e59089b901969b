"""The entry point of ``python -m lrdecay_cli``."""

from lrdecay_cli.app.shell.main import main

if __name__ == "__main__":
    main()
