"""``python -m lrdecay_cli``."""

from lrdecay_cli.app.main import main

if __name__ == "__main__":
    main()
