"""Find the place (file, line and column) that sets each option of a config.

lrdecay reads the text of the config and of its base configs. It does not run config code.
"""

from lrdecay_cli.origins.config_origins import UNKNOWN, ConfigOrigins, config_origins
from lrdecay_cli.origins.of_maps import known_origins

__all__ = ["UNKNOWN", "ConfigOrigins", "config_origins", "known_origins"]
