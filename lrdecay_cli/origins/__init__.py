"""Find the place that sets each option of a config, from the text of the config and its bases. Executes no
config code.
"""

from lrdecay_cli.origins.config_origins import UNKNOWN, ConfigOrigins, config_origins
from lrdecay_cli.origins.of_maps import known_origins

__all__ = ["UNKNOWN", "ConfigOrigins", "config_origins", "known_origins"]
