"""Find the place (file, line and column) that sets each option of a config.

The places come from the text of the config and its bases. No config code is executed.
"""

from lrdecay_cli.origins.config_origins import UNKNOWN, ConfigOrigins, config_origins
from lrdecay_cli.origins.of_maps import known_origins

__all__ = ["UNKNOWN", "ConfigOrigins", "config_origins", "known_origins"]
